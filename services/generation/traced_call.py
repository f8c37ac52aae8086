"""A call from the front to a replica, as part of a trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from services.generation.domain import EngineRequest
from services.telemetry import tracer
from services.telemetry.propagation import outgoing_headers
from services.telemetry.tracing import Attribute, Span


@contextmanager
def traced_call(model: str, request: EngineRequest) -> Iterator[EngineRequest]:
    """Records the block as a span; gives the request with what tells the replica where it is from.

    Fit for generators: what else happens in the block does not become part of the span.
    """
    about = {Attribute.MODEL: model, Attribute.REQUEST_ID: request.request_id}
    with tracer.start(Span.REPLICA_CALL, about) as opened:
        headers = outgoing_headers(opened.trace)
        yield replace(request, origin=headers) if headers else request
