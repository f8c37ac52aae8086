"""A generation in a replica, as part of a trace and in the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass

from services.generation.catalog import ModelSpec
from services.generation.domain import EngineRequest, EngineResult
from services.generation.failure_log import FailureLog
from services.telemetry import tracer
from services.telemetry.logging import bind_request
from services.telemetry.propagation import NOWHERE, Origin, come_from, current_sweep, read_origin
from services.telemetry.tracer import OpenSpan
from services.telemetry.tracing import Attribute, Attributes, AttributeValue, Span

_OPERATION = "generate_content"


@dataclass(frozen=True, slots=True)
class TracedGeneration:
    """One generation.

    Attributes:
        model: Which model generates.
        request: What it was asked.
        origin: Where the request is from.
        opened: Its span.
    """

    model: str
    request: EngineRequest
    origin: Origin
    opened: OpenSpan

    def context(self) -> Context:
        """Makes the context in which the engine works: what it logs names the request."""
        context = copy_context()
        context.run(self._enter)
        return context

    def note(self, result: EngineResult) -> None:
        """Tells the span what came of it."""
        if not tracer.is_tracing():
            return
        usage, timings = result.usage, result.timings
        self.opened.set(
            {
                Attribute.FINISH_REASONS: [result.finish_reason.value],
                Attribute.INPUT_TOKENS: usage.prompt_token_count,
                Attribute.OUTPUT_TOKENS: usage.generated_token_count,
                Attribute.FIRST_TOKEN_S: timings.queue_s + timings.prefill_s,
                Attribute.QUEUE_S: timings.queue_s,
                Attribute.PREFILL_S: timings.prefill_s,
                Attribute.DECODE_S: timings.decode_s,
            }
        )

    def _enter(self) -> None:
        come_from(self.origin)
        come_from(Origin(self.opened.trace))
        bind_request(self.request.request_id, self.model)


@contextmanager
def traced_generation(
    spec: ModelSpec, request: EngineRequest, failures: FailureLog
) -> Iterator[TracedGeneration]:
    """Records the block as a generation, and logs its failure; fit for generators."""
    origin = read_origin(request.origin) if request.origin else NOWHERE
    about = _about(spec, request, origin) if tracer.is_tracing() else {}
    opened = tracer.start(Span.GENERATION, about, name=spec.name, parent=origin.trace)
    with opened:
        traced = TracedGeneration(spec.name, request, origin, opened)
        try:
            yield traced
        except Exception as error:
            traced.context().run(failures.note, error)
            raise


def _about(spec: ModelSpec, request: EngineRequest, origin: Origin) -> Attributes:
    sampling = request.sampling
    known: dict[str, AttributeValue | None] = {
        Attribute.OPERATION: _OPERATION,
        Attribute.PROVIDER: spec.engine,
        Attribute.MODEL: spec.name,
        Attribute.REQUEST_ID: request.request_id,
        Attribute.SWEEP: origin.sweep or current_sweep() or None,
        Attribute.ADAPTER: request.adapter or None,
        Attribute.LANE: request.lane.value,
        Attribute.MAX_TOKENS: sampling.max_tokens,
        Attribute.TEMPERATURE: sampling.temperature,
        Attribute.TOP_P: sampling.top_p,
        Attribute.TOP_K: sampling.top_k,
        Attribute.SEED: sampling.seed,
        Attribute.FREQUENCY_PENALTY: sampling.frequency_penalty,
        Attribute.PRESENCE_PENALTY: sampling.presence_penalty,
    }
    return {name: value for name, value in known.items() if value is not None}
