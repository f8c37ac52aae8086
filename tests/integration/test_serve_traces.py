"""Traces and logs of a real Ray cluster: the front, Serve's handle, the replica, a collector."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from grpc import aio

from expart.generation.v1 import generation_service_pb2 as pb
from services.generation.catalog import ScriptedFault, ScriptedSpec
from tests.integration.ray_cluster import RayCluster
from tests.integration.serve_client import TIMEOUT_S, client_of, until_true
from tests.recorded_spans import OtlpCollector, ReceivedSpan, otlp_collector
from tests.unit.generation.builders import scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

MODEL = "steady"
TRACE_ID, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = (
    ("traceparent", f"00-{TRACE_ID}-{CALLER}-01"),
    ("baggage", "expart.sweep=by-hand"),
)
INSTRUCTION = "Explain the zanzibar-instruction."


@dataclass(frozen=True, slots=True)
class Traced:
    """A cluster and where its programs send their spans."""

    cluster: RayCluster
    collector: OtlpCollector

    def spans(self, name: str) -> list[ReceivedSpan]:
        return [span for span in self.collector.named(name) if span.trace_id == TRACE_ID]

    def log(self) -> str:
        """What the node prints, which is what ``kubectl logs`` shows of a pod of the chart."""
        return self.cluster.head.log.read_text(encoding="utf-8", errors="replace")

    def events(self, name: str) -> list[dict[str, object]]:
        found = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [event for event in found if event["event"] == name]


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    with otlp_collector() as collector, RayCluster() as cluster:
        cluster.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint
        cluster.environment["OTEL_BSP_SCHEDULE_DELAY"] = "200"
        cluster.environment["RAY_LOG_TO_STDERR"] = "1"  # as the chart has it
        cluster.start_head(num_cpus=4)
        fault = ScriptedFault(action="fail", after_tokens=1, request_id_contains="lost")
        script = ScriptedSpec(faults=(fault,))
        cluster.deploy(scripted_spec(MODEL).model_copy(update={"scripted": script}))
        yield Traced(cluster, collector)


async def test_one_trace_leads_from_the_caller_through_the_front_to_the_replica(
    traced: Traced,
) -> None:
    async with client_of(traced.cluster.address) as client:
        await client.until_answer(MODEL)
        request = pb.StreamExplanationRequest(
            model=MODEL, instruction=INSTRUCTION, request_id="question-1"
        )
        call = client.stub.StreamExplanation(request, metadata=HEADERS, timeout=TIMEOUT_S)
        assert [event async for event in call]

    async def has_come() -> bool:
        names = ("expart.generation", "replica call", "generate_content")
        return all(traced.spans(name) for name in names)

    await until_true(has_come, TIMEOUT_S, "the spans of both programs")
    [served] = traced.spans("expart.generation.v1.GenerationService/StreamExplanation")
    [called] = traced.spans("replica call")
    [generated] = traced.spans(f"generate_content {MODEL}")
    assert (served.program, served.parent_id) == ("expart-generation-front", CALLER)
    assert (called.program, called.parent_id) == ("expart-generation-front", served.span_id)
    assert (generated.program, generated.parent_id) == (
        "expart-generation-replica",
        called.span_id,
    )
    for span in (served, called, generated):
        assert span.attributes["expart.request_id"] == "question-1"
    assert generated.attributes["expart.sweep"] == "by-hand"
    assert not any("zanzibar" in str(span) for span in traced.collector.spans())

    [ended] = [
        event for event in traced.events("call_finished") if event.get("request_id") == "question-1"
    ]
    assert names_of(ended) == ("expart-generation-front", MODEL, "by-hand", TRACE_ID)
    assert ended["span_id"] == served.span_id


async def test_what_a_replica_logs_is_there_at_once_and_names_the_request(traced: Traced) -> None:
    async with client_of(traced.cluster.address) as client:
        await client.until_answer(MODEL)
        with pytest.raises(aio.AioRpcError):
            await client.stub.GenerateExplanation(
                pb.GenerateExplanationRequest(
                    model=MODEL, instruction=INSTRUCTION, request_id="lost-1"
                ),
                metadata=HEADERS,
                timeout=TIMEOUT_S,
            )

    async def has_come() -> bool:
        return bool(traced.events("generation_failed"))

    await until_true(has_come, TIMEOUT_S, "the replica's event")
    [failed] = traced.events("generation_failed")
    assert names_of(failed) == ("expart-generation-replica", MODEL, "by-hand", TRACE_ID)
    assert failed["request_id"] == "lost-1"
    [loaded] = traced.events("model_loaded")
    assert (loaded["program"], loaded["model"]) == ("expart-generation-replica", MODEL)
    assert "zanzibar" not in traced.log()


def names_of(event: dict[str, object]) -> tuple[object, ...]:
    return tuple(event[name] for name in ("program", "model", "sweep", "trace_id"))
