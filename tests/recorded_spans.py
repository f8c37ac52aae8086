"""Spans that a test records, and a collector that programs send theirs to."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.telemetry import tracer
from services.telemetry.otlp import recorder_to


class RecordedSpans:
    """What was recorded in a block."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def all(self) -> Sequence[ReadableSpan]:
        """Every span that has ended, in that order."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Those whose name begins so."""
        return [span for span in self.all() if span.name.startswith(name)]

    def one(self, name: str) -> ReadableSpan:
        """The only one whose name begins so."""
        found = self.named(name)
        assert len(found) == 1, [span.name for span in self.all()]
        return found[0]


@contextmanager
def recorded_spans() -> Iterator[RecordedSpans]:
    """Records every span of this process, as soon as it has ended."""
    exporter = InMemorySpanExporter()
    tracer.record_with(recorder_to(exporter, "test"))
    try:
        yield RecordedSpans(exporter)
    finally:
        tracer.stop_tracing()


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether one span is the other's child, by the ids that were recorded."""
    assert span.context is not None
    assert parent.context is not None
    return (
        span.parent is not None
        and span.parent.span_id == parent.context.span_id
        and span.context.trace_id == parent.context.trace_id
    )


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as a collector gets it; ids in hexadecimal digits."""

    program: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, object]


@dataclass
class OtlpCollector(otlp_grpc.TraceServiceServicer):
    """Takes spans over gRPC as a real collector does, and keeps them."""

    port: int = 0
    _received: list[ReceivedSpan] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    @property
    def endpoint(self) -> str:
        """What ``OTEL_EXPORTER_OTLP_ENDPOINT`` is to be."""
        return f"http://127.0.0.1:{self.port}"

    def spans(self) -> list[ReceivedSpan]:
        """What has come so far."""
        with self._lock:
            return list(self._received)

    def named(self, name: str) -> list[ReceivedSpan]:
        """What has come of names that begin so."""
        return [span for span in self.spans() if span.name.startswith(name)]

    def Export(  # noqa: N802 - named as the rpc
        self, request: otlp_pb.ExportTraceServiceRequest, context: object
    ) -> otlp_pb.ExportTraceServiceResponse:
        for group in request.resource_spans:
            resource = {item.key: item.value.string_value for item in group.resource.attributes}
            found = [
                ReceivedSpan(
                    program=resource["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes={
                        item.key: getattr(item.value, str(item.value.WhichOneof("value")))
                        for item in span.attributes
                    },
                )
                for scope in group.scope_spans
                for span in scope.spans
            ]
            with self._lock:
                self._received += found
        return otlp_pb.ExportTraceServiceResponse()


@contextmanager
def otlp_collector() -> Iterator[OtlpCollector]:
    """Runs a collector on a free port."""
    server = grpc.server(ThreadPoolExecutor(2))
    collector = OtlpCollector()
    otlp_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector
    finally:
        server.stop(0).wait(10)
