"""Records spans with OpenTelemetry's SDK. The only module that imports OpenTelemetry."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Self

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from services.telemetry.event_limit import EventLimit
from services.telemetry.propagation import KNOWN_FLAGS, TraceContext
from services.telemetry.tracer import end_as
from services.telemetry.tracing import Attribute, Attributes, Kind, SpanType

if TYPE_CHECKING:
    from types import TracebackType

_log = structlog.get_logger()

_NAMESPACE = "expart"
_DISTRIBUTION = "expart-serving"
# What is left at the end is sent for so long; a collector that is down must hold nobody up.
_STOP_S = 5.0
_MAX_MESSAGE_CHARS = 1000
_SAYS_AGAIN_AFTER_S = 60.0

_KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.SERVER: SpanKind.SERVER,
}


class RecordedSpan:
    """A span of the SDK; see :class:`services.telemetry.tracer.OpenSpan`."""

    __slots__ = ("_span", "trace")

    def __init__(self, opened: OtelSpan) -> None:
        self._span = opened
        self.trace: TraceContext | None = _trace_of(opened.get_span_context())

    def set(self, attributes: Attributes) -> None:
        """Adds attributes."""
        self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        """Says that it ends with an error."""
        self._span.set_attribute(Attribute.ERROR_TYPE, error_type)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """Ends it."""
        self._span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end_as(self, error)


class OtelRecorder:
    """Records with a provider of its own; the process-wide one is left to others, such as vLLM.

    Args:
        provider: Samples, batches and exports.
        exporter: Its exporter, which is ended when it takes too long at the end.
    """

    def __init__(self, provider: TracerProvider, exporter: SpanExporter) -> None:
        self._provider = provider
        self._exporter = exporter
        self._tracer = provider.get_tracer(_DISTRIBUTION, _version())

    def start(
        self,
        span_type: SpanType,
        name: str,
        attributes: Attributes,
        parent: TraceContext | None,
        links: Sequence[TraceContext],
    ) -> RecordedSpan:
        """Begins a span."""
        return RecordedSpan(
            self._tracer.start_span(
                name,
                context=_context_of(parent),
                kind=_KINDS[span_type.kind],
                attributes=attributes,
                links=[Link(_span_context(link)) for link in links],
            )
        )

    def stop(self) -> None:
        """Sends what is left, for a few seconds at most."""
        # Whatever the SDK is in the middle of then ends at once.
        patience = threading.Timer(_STOP_S, self._exporter.shutdown)
        patience.daemon = True
        patience.start()
        try:
            self._provider.shutdown()
        finally:
            patience.cancel()


def recorder_to_collector(program: str) -> OtelRecorder:
    """Makes what sends spans to the collector that the environment names, in batches."""
    # Late: it loads gRPC's protobuf messages of OTLP, which no test of the rest needs.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - as said above
        OTLPSpanExporter,
    )

    _log_what_the_sdk_says()
    exporter = OTLPSpanExporter()
    provider = TracerProvider(resource=_resource(program), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OtelRecorder(provider, exporter)


def recorder_to(exporter: SpanExporter, program: str) -> OtelRecorder:
    """Makes what hands every span to an exporter as soon as it has ended."""
    provider = TracerProvider(resource=_resource(program), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelRecorder(provider, exporter)


def _resource(program: str) -> Resource:
    named = Resource.create()  # by OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    ours = Resource(
        {
            "service.namespace": _NAMESPACE,
            "service.version": _version(),
            "host.name": socket.gethostname(),
            "process.pid": os.getpid(),
        }
    ).merge(named)
    if str(named.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return ours.merge(Resource({SERVICE_NAME: program}))
    return ours


def _version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:  # run from a checkout
        return "0"


def _trace_of(context: SpanContext) -> TraceContext:
    return TraceContext(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        flags=context.trace_flags & KNOWN_FLAGS,
        state=context.trace_state.to_header() if context.trace_state else "",
    )


def _context_of(parent: TraceContext | None) -> Context:
    context = Context()
    if parent is None:
        return context
    return set_span_in_context(NonRecordingSpan(_span_context(parent)), context)


def _span_context(trace: TraceContext) -> SpanContext:
    return SpanContext(
        trace_id=int(trace.trace_id, 16),
        span_id=int(trace.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
        trace_state=TraceState.from_header([trace.state]) if trace.state else None,
    )


class _ToOurLog(logging.Handler):
    """Hands on what the SDK logs, so that every line of a program's log has the same form.

    Of what it says over and over, while a collector is down, one line a minute.
    """

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self._limit = EventLimit(_SAYS_AGAIN_AFTER_S)

    def emit(self, record: logging.LogRecord) -> None:
        if not self._limit.allows(f"{record.name} {record.msg}", most=1):
            return
        message = record.getMessage()[:_MAX_MESSAGE_CHARS]
        _log.warning("tracing_warned", message=message, logger=record.name)


def _log_what_the_sdk_says() -> None:
    logger = logging.getLogger("opentelemetry")
    if not any(isinstance(handler, _ToOurLog) for handler in logger.handlers):
        logger.addHandler(_ToOurLog())
        logger.propagate = False
