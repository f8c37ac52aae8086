"""A question as part of a trace and of the log: from when it is taken up until it is settled."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.sweep.plan.plan import Job
from services.telemetry import tracer
from services.telemetry.propagation import current_sweep
from services.telemetry.tracer import OpenSpan
from services.telemetry.tracing import Attribute, Attributes, Span


@contextmanager
def traced_question(job: Job) -> Iterator[OpenSpan]:
    """Has what is called and logged in the block be part of the question; not for generators."""
    about = _about(job) if tracer.is_tracing() else {}
    with (
        structlog.contextvars.bound_contextvars(request_id=job.key),
        tracer.span(Span.QUESTION, about) as opened,
    ):
        yield opened


def _about(job: Job) -> Attributes:
    choice = job.model.choice
    about = {
        Attribute.REQUEST_ID: job.key,
        Attribute.QUESTION: job.question.name,
        Attribute.MODEL: choice.model,
        Attribute.ADAPTER: choice.adapter,
        Attribute.SWEEP: current_sweep(),
    }
    return {name: value for name, value in about.items() if value}
