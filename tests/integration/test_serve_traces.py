"""Traces and logs of a real Ray cluster: the front, Serve's handle, the replica, a collector."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from expart.generation.v1 import generation_service_pb2 as pb
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

    def events(self) -> list[dict[str, object]]:
        """What our programs have logged, wherever Ray keeps it."""
        lines = [
            line
            for file in self.cluster.folder.glob("r/session_latest/logs/worker-*.err")
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        ]
        return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    with otlp_collector() as collector, RayCluster() as cluster:
        cluster.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint
        cluster.environment["OTEL_BSP_SCHEDULE_DELAY"] = "200"
        cluster.start_head(num_cpus=4)
        cluster.deploy(scripted_spec(MODEL))
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

    ended = [event for event in traced.events() if event.get("request_id") == "question-1"]
    assert [
        (event["program"], event["model"], event["sweep"], event["trace_id"], event["span_id"])
        for event in ended
        if event["event"] == "call_finished"
    ] == [("expart-generation-front", MODEL, "by-hand", TRACE_ID, served.span_id)]
    programs = await asyncio.to_thread(
        lambda: {event["program"] for event in traced.events() if "program" in event}
    )
    assert programs >= {"expart-generation-front", "expart-generation-replica"}
    assert "zanzibar" not in json.dumps(traced.events())
