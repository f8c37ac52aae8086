"""One question is one trace: from the driver to the model, and on to its scores."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
import yaml
from grpc import aio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanKind, StatusCode

from expart.generation.v1 import generation_service_pb2 as gen_pb
from expart.scoring.v1 import scoring_service_pb2 as score_pb
from expart.scoring.v1 import scoring_service_pb2_grpc as score_grpc
from services.core.errors import EngineUnavailableError, OverloadedError
from services.sweep.plan.prepare import plan_sweep
from services.sweep.progress.outcome import SweepOutcome
from services.sweep.progress.progress import SilentProgress
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
from services.sweep.run.runner import run_sweep
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.spec import load_spec
from services.telemetry.propagation import TraceContext, in_sweep
from tests.contract.generation_front import generation_front
from tests.contract.scoring_server import scoring_server
from tests.integration.counted_generation import counted_generation
from tests.integration.sweep_dataset import write_dataset
from tests.integration.sweep_services import Fault, ScriptedGeneration, ScriptedScoring, serving
from tests.recorded_spans import RecordedSpans, is_child, otlp_collector, recorded_spans
from tests.unit.generation.builders import scripted_spec, until

QUESTIONS = 10  # of one artwork
SWEEP = "traced"
CALLER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", flags=1)
HEADERS = (("traceparent", CALLER.traceparent), ("baggage", "expart.sweep=by-hand"))
STREAM = "expart.generation.v1.GenerationService/StreamExplanation"
SCORES = "expart.scoring.v1.ScoringService/ScoreExplanations"


@pytest.fixture
def spans() -> Iterator[RecordedSpans]:
    with recorded_spans() as found:
        yield found


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    spec = {
        "name": SWEEP,
        "dataset": {"folder": "dataset"},
        "splits": ["test_seen"],
        "models": ["alpha"],
        "sampling": {"max_tokens": 8, "temperature": 0},
        "concurrency": 4,
        "output": "results",
    }
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


async def sweep(spec_file: Path, generating: str, scoring: str) -> SweepOutcome:
    spec = load_spec(spec_file)
    plan = await asyncio.to_thread(plan_sweep, spec, await served_models(generating))
    with in_sweep(spec.name):
        return await run_sweep(
            plan,
            Endpoints(generating, scoring),
            SilentProgress(),
            asyncio.Event(),
            SweepSettings(max_attempts=3, max_wait_s=5, channels=1),
        )


def of_kind(found: Sequence[ReadableSpan], kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in found if span.kind is kind]


def child_of(parent: ReadableSpan, among: Sequence[ReadableSpan]) -> ReadableSpan:
    found = [span for span in among if is_child(span, parent)]
    assert len(found) == 1, (parent.name, [span.name for span in found])
    return found[0]


def is_link_to(link: Link, span: ReadableSpan) -> bool:
    assert span.context is not None
    return (link.context.trace_id, link.context.span_id) == (
        span.context.trace_id,
        span.context.span_id,
    )


def attribute(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


async def test_a_questions_trace_leads_from_the_driver_to_the_model_and_to_its_scores(
    spec_file: Path, spans: RecordedSpans
) -> None:
    async with (
        counted_generation(["alpha"]) as generation,
        serving(None, ScriptedScoring()) as [scoring_at],
    ):
        await sweep(spec_file, generation.address, scoring_at)
    questions = spans.named("question")
    assert len(questions) == QUESTIONS
    assert len({span.context.trace_id for span in questions if span.context}) == QUESTIONS
    scoring_stream = of_kind(spans.named(SCORES), SpanKind.CLIENT)
    assert len(scoring_stream) == 1
    for question in questions:
        key = attribute(question, "expart.request_id")
        call = child_of(question, of_kind(spans.named(STREAM), SpanKind.CLIENT))
        served = child_of(call, of_kind(spans.named(STREAM), SpanKind.SERVER))
        generated = child_of(served, spans.named("generate_content alpha"))
        scored = child_of(question, spans.named("score"))
        assert question.parent is None
        for span in (served, generated, scored):
            assert attribute(span, "expart.request_id") == key
        for span in (question, served, generated):
            assert attribute(span, "expart.sweep") == SWEEP
            assert attribute(span, "gen_ai.request.model") == "alpha"
        assert attribute(served, "rpc.response.status_code") == "OK"
        assert attribute(call, "rpc.response.status_code") == "OK"
        assert attribute(generated, "gen_ai.request.max_tokens") == 8
        assert attribute(generated, "gen_ai.usage.output_tokens") in range(1, 9)
        [link] = scored.links
        assert is_link_to(link, scoring_stream[0])
    # One picture, which the first question brings.
    uploads = spans.named("expart.generation.v1.GenerationService/PutImage")
    brought, taken = of_kind(uploads, SpanKind.CLIENT), of_kind(uploads, SpanKind.SERVER)
    assert len(uploads) == 2
    assert is_child(taken[0], brought[0])
    # Of the stream to the scoring service there is one, on both sides.
    assert child_of(scoring_stream[0], spans.named(SCORES)).kind is SpanKind.SERVER
    assert {span.status.status_code for span in spans.all()} == {StatusCode.UNSET}


async def test_every_attempt_at_a_question_is_a_call_of_its_own(
    spec_file: Path, spans: RecordedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sweep.remote.retry._FIRST_BACKOFF_S", 0.01)

    def lost_once(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        return Fault(EngineUnavailableError("the engine died")) if attempt == 1 else None

    generation = ScriptedGeneration({"alpha": "r1"}, fault=lost_once)
    scoring = ScriptedScoring(
        item_error=lambda _, attempt: (
            OverloadedError("busy", retry_after_s=0.01) if attempt == 1 else None
        )
    )
    async with serving(generation, scoring) as (generating, scoring_at):
        await sweep(spec_file, generating, scoring_at)
    for question in spans.named("question"):
        calls = [
            span
            for span in of_kind(spans.named(STREAM), SpanKind.CLIENT)
            if is_child(span, question)
        ]
        assert [attribute(call, "rpc.response.status_code") for call in calls] == [
            "UNAVAILABLE",
            "OK",
        ]
        assert [attribute(call, "error.type") for call in calls] == ["ENGINE_UNAVAILABLE", None]
        assert question.status.status_code is StatusCode.UNSET
        assert attribute(question, "expart.attempts") == 2
        scored = [span for span in spans.named("score") if is_child(span, question)]
        assert [attribute(span, "error.type") for span in scored] == ["OVERLOADED", None]
    failed = [
        span
        for span in of_kind(spans.named(STREAM), SpanKind.SERVER)
        if attribute(span, "error.type") == "ENGINE_UNAVAILABLE"
    ]
    assert len(failed) == QUESTIONS
    assert {span.status.status_code for span in failed} == {StatusCode.ERROR}


async def test_a_client_that_leaves_ends_the_spans_of_its_call(spans: RecordedSpans) -> None:
    async with generation_front(scripted_spec("slow", per_token_s=0.05)) as front:
        request = gen_pb.StreamExplanationRequest(
            model="slow", instruction="Explain.", request_id="left"
        )
        call = front.stub.StreamExplanation(request, metadata=HEADERS)
        await anext(aiter(call))
        call.cancel()
        await until(lambda: len(spans.all()) == 2)
    served, generated = spans.one(STREAM), spans.one("generate_content")
    assert served.parent is not None
    assert served.parent.span_id == int(CALLER.span_id, 16)
    assert is_child(generated, served)
    for span in (served, generated):
        assert attribute(span, "expart.cancelled") is True
        assert attribute(span, "expart.request_id") == "left"
        assert span.status.status_code is StatusCode.UNSET
    assert attribute(served, "rpc.response.status_code") == "CANCELLED"


async def test_refusals_and_faults_end_a_calls_span_as_they_end_the_call(
    spans: RecordedSpans,
) -> None:
    async with generation_front(scripted_spec("demo")) as front:
        for model, instruction in (("demo", ""), ("absent", "Explain.")):
            with pytest.raises(aio.AioRpcError):
                await front.stub.GenerateExplanation(
                    gen_pb.GenerateExplanationRequest(model=model, instruction=instruction)
                )
        with pytest.raises(aio.AioRpcError):
            await front.channel.unary_unary("/made.up/Method")(b"")
        before = len(spans.all())
        await front.channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
        assert len(spans.all()) == before
    by_error = {attribute(span, "error.type"): span for span in spans.all()}
    assert set(by_error) == {"INVALID_REQUEST", "MODEL_NOT_FOUND", "UNIMPLEMENTED"}
    # The caller's mistakes are no errors of the server's.
    assert by_error["INVALID_REQUEST"].status.status_code is StatusCode.UNSET
    assert by_error["UNIMPLEMENTED"].status.status_code is StatusCode.ERROR
    assert by_error["UNIMPLEMENTED"].name == "_OTHER"
    assert attribute(by_error["UNIMPLEMENTED"], "rpc.method_original") == "made.up/Method"


async def test_a_place_that_is_waited_for_is_a_span(spans: RecordedSpans) -> None:
    spec = scripted_spec("narrow", first_token_s=0.2)
    narrow = spec.model_copy(
        update={"scaling": spec.scaling.model_copy(update={"max_ongoing_requests": 1})}
    )
    async with generation_front(narrow, interactive_share=0.0) as front:
        request = gen_pb.GenerateExplanationRequest(model="narrow", instruction="Explain.")
        await asyncio.gather(*(front.stub.GenerateExplanation(request) for _ in range(3)))
    waits = spans.named("admission")
    served = spans.named("expart.generation.v1.GenerationService/GenerateExplanation")
    assert 1 <= len(waits) < 3
    assert all(any(is_child(wait, call) for call in served) for wait in waits)
    assert {attribute(wait, "expart.lane") for wait in waits} == {"interactive"}


def test_the_scoring_program_sends_its_spans_to_a_collector_until_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with otlp_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        with scoring_server(tmp_path) as server:
            item = score_pb.ScoringItem(candidate="A bay.", reference="A bay.", entities=["bay"])
            with grpc.insecure_channel(server.address) as channel:
                score_grpc.ScoringServiceStub(channel).ScoreExplanation(
                    score_pb.ScoreExplanationRequest(item=item),
                    metadata=HEADERS,
                    timeout=60,
                )
            # At once: the batch is not due for seconds, and is sent at the end.
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(60) == 0
            ended = server.events("call_finished")
        [span] = collector.named("expart.scoring.v1.ScoringService/ScoreExplanation")
    assert (span.program, span.trace_id, span.parent_id) == (
        "expart-scoring",
        CALLER.trace_id,
        CALLER.span_id,
    )
    assert span.attributes["rpc.response.status_code"] == "OK"
    assert [(e["trace_id"], e["span_id"], e["sweep"]) for e in ended] == [
        (CALLER.trace_id, span.span_id, "by-hand")
    ]


def test_a_program_without_opentelemetry_works_and_passes_the_trace_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "path" / "opentelemetry"
    missing.mkdir(parents=True)
    missing.joinpath("__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'opentelemetry'\")"
    )
    monkeypatch.setenv("PYTHONPATH", str(missing.parent), prepend=os.pathsep)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    with scoring_server(tmp_path) as server:
        item = score_pb.ScoringItem(candidate="A bay.", reference="A bay.", entities=["bay"])
        with grpc.insecure_channel(server.address) as channel:
            answer = score_grpc.ScoringServiceStub(channel).ScoreExplanation(
                score_pb.ScoreExplanationRequest(item=item), metadata=HEADERS, timeout=60
            )
        assert answer.scores
        [said] = server.events("tracing_unavailable")
        [ended] = server.events("call_finished")
    assert "expart-serving[tracing]" in str(said["cause"])
    assert (ended["trace_id"], ended["span_id"], ended["sweep"]) == (
        CALLER.trace_id,
        CALLER.span_id,
        "by-hand",
    )


def test_a_collector_that_is_away_takes_nothing_from_calls_nor_from_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")  # seconds, to the SDK
    with scoring_server(tmp_path) as server:
        item = score_pb.ScoringItem(candidate="A bay.", reference="A bay.", entities=["bay"])
        with grpc.insecure_channel(server.address) as channel:
            answer = score_grpc.ScoringServiceStub(channel).ScoreExplanation(
                score_pb.ScoreExplanationRequest(item=item), timeout=60
            )
        assert answer.scores
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        assert server.events("tracing_started")
        assert server.events("tracing_warned")
