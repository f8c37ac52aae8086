"""Logs say which call, model, sweep and trace; never a text, a picture or a token."""

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import structlog
import yaml
from grpc import aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as gen_pb
from expart.scoring.v1 import scoring_service_pb2 as score_pb
from expart.scoring.v1 import scoring_service_pb2_grpc as score_grpc
from services.core.digests import digest_of
from services.core.errors import EngineUnavailableError, InvalidRequestError, OverloadedError
from services.generation.catalog import ScriptedFault, ScriptedSpec
from services.generation.explanations import ExplanationService
from services.sweep.plan.prepare import plan_sweep
from services.sweep.progress.progress import SilentProgress
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
from services.sweep.run.runner import run_sweep
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.spec import load_spec
from services.telemetry.logging import configure_logging
from services.telemetry.propagation import in_sweep
from tests.contract.generation_front import RunningFront, generation_front
from tests.contract.scoring_server import scoring_server
from tests.integration.sweep_dataset import write_dataset
from tests.integration.sweep_services import Fault, ScriptedGeneration, ScriptedScoring, serving
from tests.unit.generation.builders import picture, scripted_spec

INSTRUCTION = "Explain the zanzibar-instruction of this work."
SYSTEM_TEXT = "You are the zanzibar-curator."
CANDIDATE = "A zanzibar-candidate over the bay."
REFERENCE = "A zanzibar-reference over the bay."
ENTITY = "Zanzibar-Entity"
PICTURE = picture().data + b"zanzibar-picture" * 8
TOKEN, WRONG_TOKEN = "zanzibar-token-0123456789", "zanzibar-wrong-0123456789"
# Of every marked thing, and of whatever its base64 may look like.
MARK = "zanzibar"
ENCODED = [base64.b64encode(MARK.encode()[start:])[1:-3].decode() for start in range(3)]

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
HEADERS = (
    ("authorization", f"Bearer {TOKEN}"),
    ("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01"),
    ("baggage", "expart.sweep=marked"),
)


class Log(io.StringIO):
    """What the programs of this process have logged."""

    def events(self, name: str) -> list[dict[str, object]]:
        found = [json.loads(line) for line in self.getvalue().splitlines()]
        return [event for event in found if event["event"] == name]


@pytest.fixture
def log() -> Iterator[Log]:
    before = structlog.get_config()
    stream = Log()
    configure_logging(json=True, level="DEBUG", stream=stream, fields={"program": "test"})
    yield stream
    structlog.configure(**before)


def assert_unmarked(text: str, *others: str) -> None:
    assert text
    for mark in (MARK, *ENCODED, *others):
        assert mark.lower() not in text.lower()


def asked(model: str = "demo", **fields: object) -> gen_pb.GenerateExplanationRequest:
    values = {"instruction": INSTRUCTION, "system_text": SYSTEM_TEXT, **fields}
    return gen_pb.GenerateExplanationRequest(model=model, **values)


async def call(front: RunningFront, request: gen_pb.GenerateExplanationRequest) -> str:
    """The answer's text, or the name of the code that the call ended with."""
    try:
        return (await front.stub.GenerateExplanation(request, metadata=HEADERS)).text
    except aio.AioRpcError as error:
        return error.code().name


async def test_the_front_logs_calls_and_nothing_that_they_carry(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"curator {TOKEN}\n")
    failing = scripted_spec("failing").model_copy(
        update={"scripted": ScriptedSpec(faults=(ScriptedFault(action="fail", after_tokens=1),))}
    )
    specs = (scripted_spec("demo"), failing, scripted_spec("slow", per_token_s=0.05))
    async with generation_front(*specs, token_file=tokens) as front:
        image = content_pb2.Image(data=PICTURE)
        answers = [
            await call(front, asked(request_id="whole", image=image)),
            await call(front, asked(image=image)),
        ]
        codes = [
            await call(front, asked(request_id="refused", sampling={"temperature": -1})),
            await call(front, asked("absent", request_id="nobody")),
            await call(front, asked("failing", request_id="lost")),
        ]
        await front.stub.PutImage(
            iter(
                [
                    gen_pb.PutImageRequest(
                        header={"digest": digest_of(PICTURE), "size_bytes": len(PICTURE)}
                    ),
                    gen_pb.PutImageRequest(chunk=PICTURE),
                ]
            ),
            metadata=HEADERS,
        )
        left = front.stub.StreamExplanation(
            gen_pb.StreamExplanationRequest(
                model="slow", instruction=INSTRUCTION, request_id="left", image=image
            ),
            metadata=HEADERS,
        )
        await anext(aiter(left))
        left.cancel()
        with pytest.raises(aio.AioRpcError):
            await front.stub.GenerateExplanation(
                asked(), metadata=(("authorization", f"Bearer {WRONG_TOKEN}"),)
            )

        async def broken(service: object, request: object, *rest: object) -> None:
            raise RuntimeError("a fault of the service")

        monkeypatch.setattr(ExplanationService, "explain", broken)
        codes.append(await call(front, asked(request_id="broken", image=image)))
    assert codes == ["INVALID_ARGUMENT", "NOT_FOUND", "ABORTED", "INTERNAL"]
    assert_unmarked(log.getvalue(), *answers)

    ended = log.events("call_finished")
    by_id = {event["request_id"]: event for event in ended if "request_id" in event}
    assert {"whole", "refused", "nobody", "lost", "left", "broken"} < set(by_id)
    # The second call chose no id: it has one all the same.
    assert len(by_id) == 7
    for name, model in (("whole", "demo"), ("nobody", "absent"), ("left", "slow")):
        assert by_id[name]["model"] == model
        assert by_id[name]["trace_id"] == TRACE_ID
        assert by_id[name]["sweep"] == "marked"
    assert {event["program"] for event in ended} == {"test"}
    [fault] = log.events("call_failed")
    assert (fault["request_id"], fault["trace_id"]) == ("broken", TRACE_ID)
    assert "a fault of the service" in str(fault["exception"])


def test_the_scoring_service_logs_no_text(tmp_path: Path) -> None:
    with scoring_server(tmp_path, LOG_LEVEL="DEBUG", MAX_TEXT_CHARS="200") as server:
        item = score_pb.ScoringItem(candidate=CANDIDATE, reference=REFERENCE, entities=[ENTITY])
        too_long = score_pb.ScoringItem(candidate=CANDIDATE * 20, reference=REFERENCE)
        with grpc.insecure_channel(server.address) as channel:
            stub = score_grpc.ScoringServiceStub(channel)
            stub.ScoreExplanation(
                score_pb.ScoreExplanationRequest(item=item), metadata=HEADERS[1:], timeout=60
            )
            with pytest.raises(grpc.RpcError):
                stub.ScoreExplanation(score_pb.ScoreExplanationRequest(item=too_long), timeout=60)
            requests = [
                score_pb.ScoreExplanationsRequest(item_id=CANDIDATE, item=given)
                for given in (item, too_long)
            ]
            assert len(list(stub.ScoreExplanations(iter(requests), timeout=60))) == 2
        ended = server.events("call_finished")
        assert_unmarked(server.log_path.read_text(encoding="utf-8"))
    assert len(ended) == 3
    assert ended[0]["trace_id"] == TRACE_ID
    assert ended[0]["sweep"] == "marked"
    assert {event["program"] for event in ended} == {"expart-scoring"}


async def test_a_sweeps_driver_logs_questions_by_their_keys(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sweep.remote.retry._FIRST_BACKOFF_S", 0.01)
    write_dataset(tmp_path / "dataset", 10)
    spec_file = tmp_path / "sweep.yaml"
    spec_file.write_text(
        yaml.safe_dump(
            {
                "name": "marked",
                "dataset": {"folder": "dataset"},
                "splits": ["test_seen"],
                "models": ["alpha"],
                "sampling": {"max_tokens": 8},
                "output": "results",
            }
        )
    )

    def fault(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        if "this artwork" in request.instruction:
            return Fault(InvalidRequestError("sampling is out of range"))
        return Fault(EngineUnavailableError("the engine died")) if attempt == 1 else None

    unscored: set[str] = set()
    scoring = ScriptedScoring(
        lose_stream_after={1: (1, OverloadedError("busy", retry_after_s=0.1))},
        item_error=lambda item_id, _: (
            InvalidRequestError("the text is too long") if item_id in unscored else None
        ),
    )
    generation = ScriptedGeneration({"alpha": "r1"}, fault=fault)
    async with serving(generation, scoring) as (generating, scoring_at):
        spec = load_spec(spec_file)
        plan = await asyncio.to_thread(plan_sweep, spec, await served_models(generating))
        jobs = {job.key: job for job in plan.jobs}
        unscored.add(next(key for key in jobs if "this artwork" not in jobs[key].instruction))
        with in_sweep(spec.name):
            await run_sweep(
                plan,
                Endpoints(generating, scoring_at),
                SilentProgress(),
                asyncio.Event(),
                SweepSettings(max_attempts=2, max_wait_s=5),
            )
    texts = [
        text for job in jobs.values() for text in (job.instruction, job.question.reference) if text
    ]
    assert len(texts) == 20
    assert_unmarked(log.getvalue(), *texts)
    failed = log.events("question_failed")
    retried = log.events("question_retried")
    assert len(failed) == 5
    assert retried
    for event in (*failed, *retried):
        assert event["request_id"] in jobs
    assert log.events("scoring_stream_lost")
    assert {event["request_id"] for event in log.events("question_not_scored")} == unscored
    # What the services were told: whose sweep it is.
    served = [event for event in log.events("call_finished") if event.get("request_id") in jobs]
    assert {event["sweep"] for event in served} == {"marked"}
    assert {event["model"] for event in served} == {"alpha"}
