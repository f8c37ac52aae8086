"""The options of ``expart sweep run`` that tell what it does, and what it asks again."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import TypedDict

import pytest

from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import InvalidRequestError
from services.sweep.results.store import ResultStore
from services.sweep.spec.spec import load_spec
from tests.contract.scoring_server import wait_until
from tests.integration.counted_generation import CountedGeneration, counted_generation
from tests.integration.expart_host import ExpartShell, before_the_end
from tests.integration.sweep_dataset import write_dataset
from tests.integration.sweep_driver import write_spec
from tests.integration.sweep_services import Fault, ScriptedGeneration, ScriptedScoring, serving

QUESTIONS = 20


class Event(TypedDict, total=False):
    """Of a log event, what is looked at here."""

    event: str
    message: str
    settled: int
    planned: int
    scored: int


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPART_SWEEP_COMMIT_INTERVAL_S", "0.05")
    write_dataset(tmp_path / "dataset", QUESTIONS)
    return write_spec(tmp_path, ["alpha"], tmp_path / "dataset")


def events_of(text: str) -> list[Event]:
    """Log events, a line of JSON each; the last line may be half written."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def metrics_port(errors: Path) -> int:
    """The port that it says to have taken, as soon as it says so."""

    def said() -> list[str]:
        events = events_of(errors.read_text("utf-8")) if errors.exists() else []
        messages = (event.get("message", "") for event in events)
        return [message for message in messages if message.startswith("metrics: port ")]

    wait_until(lambda: bool(said()), "it says no port")
    return int(said()[0].removeprefix("metrics: port ").partition(",")[0])


def scraped(port: int, name: str) -> float:
    """The value of a metric that has no labels but the sweep's and the model's."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = (line for line in lines if line.startswith(f"expart_sweep_{name}{{"))
    assert 'sweep="sweep"' in line
    assert 'model="alpha"' in line
    return float(line.rsplit(" ", 1)[1])


def watch(errors: Path, generation: CountedGeneration) -> None:
    """Looks at the metrics of a sweep that is held up until what was answered is counted."""
    port = metrics_port(errors)
    completed = generation.models.completed
    # Compared anew each time: what was on its way when it was held up completes a moment later.
    wait_until(lambda: scraped(port, "questions_done") == completed.total(), "not all is counted")
    assert scraped(port, "questions_planned") == QUESTIONS
    # Words of scripted answers are their tokens; none of them is empty.
    assert scraped(port, "generated_tokens_total") >= completed.total()


async def test_the_log_on_standard_error_is_json_and_a_port_tells_prometheus(
    shell: ExpartShell, tmp_path: Path, spec: Path
) -> None:
    async with counted_generation(["alpha"]) as generation, serving(None, ScriptedScoring()) as at:
        services = ("--generation", generation.address, "--scoring", at[0])
        options = ("--log-format", "json", "--metrics-port", "0")
        command = ("sweep", "run", str(spec), *services, *options)
        running = asyncio.create_task(shell.expart(*command))
        await before_the_end(running, generation.until_completed(4))
        generation.models.flowing.clear()
        await asyncio.to_thread(watch, tmp_path / "0.err", generation)
        assert generation.models.completed.total() < QUESTIONS
        generation.models.flowing.set()
        ended = await running
    assert ended.code == 0, ended
    progress = [event for event in events_of(ended.said) if event["event"] == "sweep_progressed"]
    assert progress[-1]["settled"] == progress[-1]["planned"] == QUESTIONS
    assert progress[-1]["scored"] == QUESTIONS
    assert "alpha" in ended.printed  # the leaderboard is no log


def refuse_history(request: pb.StreamExplanationRequest, attempt: int) -> Fault | None:
    """Refuses one section of five at its first attempt."""
    is_bad = attempt == 1 and "History" in request.instruction
    return Fault(InvalidRequestError("bad")) if is_bad else None


async def test_the_log_goes_to_the_file_that_is_named_and_the_display_stays(
    shell: ExpartShell, tmp_path: Path, spec: Path
) -> None:
    log = tmp_path / "logs" / "sweep.jsonl"
    generation = ScriptedGeneration({"alpha": "r1"}, fault=refuse_history)
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        ended = await shell.expart(
            *("sweep", "run", str(spec), "--generation", generating, "--scoring", scoring),
            *("--log-file", str(log)),
        )
    assert (ended.code, ended.said) == (0, "")
    events = [event["event"] for event in events_of(log.read_text("utf-8"))]
    assert events.count("question_failed") == QUESTIONS // 5
    assert f"sweep: {QUESTIONS}/{QUESTIONS} " in ended.printed


async def test_what_failed_for_good_is_planned_and_asked_again_on_request(
    shell: ExpartShell, spec: Path
) -> None:
    generation = ScriptedGeneration({"alpha": "r1"}, fault=refuse_history)
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        asking = (str(spec), "--generation", generating)
        assert (await shell.expart("sweep", "run", *asking, "--scoring", scoring)).code == 0
        failed = QUESTIONS // 5
        assert generation.completed.total() == QUESTIONS - failed
        for options, planned in (((), 0), (("--retry-failed",), failed)):
            ended = await shell.expart("sweep", "plan", *asking, "--json", *options)
            assert json.loads(ended.printed)["questions"]["to_ask"] == planned, ended
        again = await shell.expart("sweep", "run", *asking, "--scoring", scoring)
        assert "nothing to do: every question is settled" in again.printed
        retried = await shell.expart(
            "sweep", "run", *asking, "--scoring", scoring, "--retry-failed"
        )
    assert retried.code == 0, retried
    assert generation.completed.total() == QUESTIONS
    assert generation.asked.total() == QUESTIONS + failed


class LackingGeneration(ScriptedGeneration):
    """Has a model that nobody pinned and that cannot be loaded."""

    lacking = True

    async def ListModels(
        self, request: pb.ListModelsRequest, context: object
    ) -> pb.ListModelsResponse:
        answer = await super().ListModels(request, context)
        for model in answer.models:
            if self.lacking and model.name == "beta":
                model.revision, model.state = "", pb.MODEL_STATE_FAILED
                model.state_reason = "no weights"
        return answer


async def test_the_other_models_are_asked_where_one_cannot_be_loaded(
    shell: ExpartShell, tmp_path: Path, spec: Path
) -> None:
    write_spec(tmp_path, ["alpha", "beta"], tmp_path / "dataset")
    generation = LackingGeneration({"alpha": "r1", "beta": "r1"})
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        run = ("sweep", "run", str(spec), "--generation", generating, "--scoring", scoring)
        ended = await shell.expart(*run)
        assert ended.code == 1, ended
        assert "not complete: without beta; the same command does the rest" in ended.said
        assert "beta: left out, " in ended.printed
        assert "no weights" in ended.printed
        assert generation.completed.total() == QUESTIONS
        generation.lacking = False
        ended = await shell.expart(*run)
    assert ended.code == 0, ended
    assert generation.completed.total() == generation.asked.total() == 2 * QUESTIONS


async def test_a_report_comes_at_the_end_on_request(
    shell: ExpartShell, tmp_path: Path, spec: Path
) -> None:
    generation = ScriptedGeneration({"alpha": "r1"})
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        ended = await shell.expart(
            *("sweep", "run", str(spec), "--generation", generating, "--scoring", scoring),
            "--report",
        )
    assert ended.code == 0, ended
    output = ResultStore(load_spec(spec).output).uri
    assert f"report: {output}/report/report.html\nresults: {output}\n" in ended.printed
    assert "Signatures:" in ended.printed
    page = Path(output) / "report" / "report.html"
    assert "alpha" in page.read_text(encoding="utf-8")
    # A shard has no report of its own there.
    sharded = write_spec(tmp_path / "sharded", ["alpha"], tmp_path / "dataset")
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        ended = await shell.expart(
            *("sweep", "run", str(sharded), "--generation", generating, "--scoring", scoring),
            *("--report", "--shard-index", "0", "--shard-count", "2"),
        )
    assert ended.code == 0, ended
    assert f"expart report {load_spec(sharded).output} shows those of all shards" in ended.printed
    assert not (Path(load_spec(sharded).output) / "report").exists()
