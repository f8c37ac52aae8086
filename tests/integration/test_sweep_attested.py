"""What the service attests with an answer reaches tables, costs, progress and concurrency."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from expart.generation.v1 import generation_service_pb2 as gen_pb
from services.core.errors import OverloadedError
from services.sweep.plan.prepare import plan_sweep
from services.sweep.progress.costs import stored_costs
from services.sweep.progress.outcome import SweepOutcome
from services.sweep.progress.progress import SilentProgress
from services.sweep.progress.snapshot import SweepSnapshot
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
from services.sweep.results.store import ResultStore
from services.sweep.run.runner import run_sweep
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.spec import load_spec
from tests.integration.stored_results import rows_of
from tests.integration.sweep_dataset import write_dataset
from tests.integration.sweep_driver import write_spec
from tests.integration.sweep_services import Fault, ScriptedGeneration, ScriptedScoring, serving

QUESTIONS = 20
SETTINGS = SweepSettings(commit_rows=4, commit_interval_s=0.05, max_wait_s=5)
# Waited for 10.5 s and worked on for 1 s: far too many are in flight.
TIMINGS = gen_pb.Timings(
    admission_duration=Duration(seconds=10),
    queue_duration=Duration(nanos=500_000_000),
    prefill_duration=Duration(nanos=250_000_000),
    decode_duration=Duration(nanos=750_000_000),
    first_token_duration=Duration(seconds=10, nanos=750_000_000),
    total_duration=Duration(seconds=11, nanos=625_000_000),
)


class LastCounts(SilentProgress):
    """Keeps the counts that it was told last."""

    def __init__(self) -> None:
        self.snapshot: SweepSnapshot | None = None

    def update(self, snapshot: SweepSnapshot) -> None:
        self.snapshot = snapshot


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    price = {
        "input_per_million_tokens": 1_000_000,
        "output_per_million_tokens": 2_000_000,
        "per_gpu_hour": 3600,
    }
    return write_spec(
        tmp_path,
        ["alpha"],
        tmp_path / "dataset",
        concurrency=8,
        prices={"currency": "EUR", "models": {"alpha": price}},
    )


async def sweep(
    spec: Path, generation: ScriptedGeneration, **attested_later: str
) -> tuple[SweepOutcome, SweepSnapshot]:
    """Runs a sweep; the models are what they are said to be in the end after it was planned."""
    progress = LastCounts()
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        directory = await served_models(generating)
        plan = await asyncio.to_thread(plan_sweep, load_spec(spec), directory)
        generation.identity |= attested_later
        outcome = await run_sweep(
            plan, Endpoints(generating, scoring), progress, asyncio.Event(), SETTINGS
        )
    assert progress.snapshot is not None
    return outcome, progress.snapshot


async def test_an_answer_is_stored_with_everything_that_was_attested(spec: Path) -> None:
    identity = {"chat_template_digest": "sha256:aa"}
    generation = ScriptedGeneration(
        {"alpha": "r1"}, timings=TIMINGS, gpu_count=0.5, identity=identity
    )
    outcome, _ = await sweep(spec, generation)
    assert outcome.complete, rows_of(spec.parent / "results", "failures", "message")
    expected: dict[str, object] = {
        "prompt_token_count": 20,
        "image_token_count": 16,
        "generated_token_count": 7,
        "admission_s": 10.0,
        "queue_s": 0.5,
        "prefill_s": 0.25,
        "decode_s": 0.75,
        "first_token_s": 10.75,
        "total_s": 11.625,
        "gpu_count": 0.5,
        "chat_template_digest": "sha256:aa",
        "revision": "r1",
        "engine": "scripted",
        "engine_version": "1",
        "dtype": "float32",
        "finish_reason": "stop",
        "truncated": False,
        "attempts": 1,
    }
    rows = rows_of(spec.parent / "results", "generations", *expected)
    assert rows == [expected] * QUESTIONS


async def test_costs_are_those_that_the_answers_came_with(spec: Path) -> None:
    generation = ScriptedGeneration({"alpha": "r1"}, timings=TIMINGS, gpu_count=2.0)
    await sweep(spec, generation)
    loaded = load_spec(spec)
    (cost,) = stored_costs(ResultStore(loaded.output), loaded.prices)
    rows = rows_of(spec.parent / "results", "generations", "generated_at")
    ends = [row["generated_at"] for row in rows]
    assert all(isinstance(end, datetime) for end in ends)
    # The first began 11.625 s before its end, and until the last one some were always on their way.
    busy_s = 11.625 + (max(ends) - min(ends)) / timedelta(seconds=1)  # type: ignore[type-var, operator]
    assert (cost.questions, cost.prompt_tokens, cost.generated_tokens) == (20, 20 * 20, 20 * 7)
    assert cost.model_s == pytest.approx(20 * (0.25 + 0.75))
    assert cost.busy_s == pytest.approx(busy_s)
    assert cost.gpu_s == pytest.approx(2 * busy_s)
    # 1 a prompt token, 2 a generated one, 1 a second of a GPU.
    assert cost.money == pytest.approx(400 + 2 * 140 + 2 * busy_s)


async def test_answers_that_waited_long_take_questions_out_of_flight(spec: Path) -> None:
    _, counts = await sweep(spec, ScriptedGeneration({"alpha": "r1"}, timings=TIMINGS))
    # 8 answers are the first round; it takes one place away.
    assert counts.models[0].concurrency < 8
    assert counts.models[0].latency.count == QUESTIONS


async def test_the_last_counts_of_a_run_are_what_it_did(spec: Path) -> None:
    def full_at_first(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        return Fault(OverloadedError("full", retry_after_s=0.01)) if attempt == 1 else None

    generation = ScriptedGeneration({"alpha": "r1"}, timings=TIMINGS, fault=full_at_first)
    _, counts = await sweep(spec, generation)
    (alpha,) = counts.models
    assert (alpha.planned, alpha.done, alpha.failed, alpha.in_flight) == (
        QUESTIONS,
        QUESTIONS,
        0,
        0,
    )
    assert alpha.retries == {"OVERLOADED": QUESTIONS}
    assert alpha.prompt_token_count == QUESTIONS * 20
    assert alpha.generated_token_count == QUESTIONS * 7
    assert (alpha.latency.count, alpha.latency.sum_s) == (QUESTIONS, QUESTIONS * 11.625)
    assert (counts.scored, counts.done_before) == (QUESTIONS, 0)
    # At least the answers and their scores, at most a commit for each.
    assert 2 <= counts.commits.count <= 2 * QUESTIONS
    assert counts.commits.sum_s > 0


async def test_the_counts_of_a_run_begin_with_what_was_done_before(spec: Path) -> None:
    generation = ScriptedGeneration({"alpha": "r1", "beta": "r2"}, timings=TIMINGS)
    await sweep(spec, generation)
    both = write_spec(spec.parent, ["alpha", "beta"], spec.parent / "dataset")
    _, counts = await sweep(both, generation)
    alpha, beta = counts.models
    assert (alpha.done, beta.done, counts.scored) == (QUESTIONS, QUESTIONS, 2 * QUESTIONS)
    assert counts.done_before == QUESTIONS
    # Of this run alone.
    assert (alpha.generated_token_count, beta.generated_token_count) == (0, QUESTIONS * 7)
    assert (alpha.latency.count, beta.latency.count) == (0, QUESTIONS)


@pytest.mark.parametrize("name", ["chat_template_digest", "configuration_digest"])
async def test_an_answer_made_otherwise_than_planned_is_no_answer(spec: Path, name: str) -> None:
    generation = ScriptedGeneration({"alpha": "r1"}, identity={name: "sha256:aa"})
    outcome, _ = await sweep(spec, generation, **{name: "sha256:bb"})
    assert not outcome.complete
    assert outcome.models[0].done == 0
    reasons = {row["reason"] for row in rows_of(spec.parent / "results", "failures", "reason")}
    assert reasons == {"PROVENANCE_MISMATCH"}


async def test_an_adapter_that_was_trained_again_meanwhile_gives_no_answer(spec: Path) -> None:
    generation = ScriptedGeneration({"alpha": "r1"}, adapter_revision="a1")
    adapted = write_spec(
        spec.parent, [{"model": "alpha", "adapter": "wit"}], spec.parent / "dataset"
    )
    outcome, _ = await sweep(adapted, generation)
    assert outcome.complete
    rows = rows_of(spec.parent / "results", "generations", "adapter_revision")
    assert rows == [{"adapter_revision": "a1"}] * QUESTIONS
    # What is planned with the next one is asked anew; should that change on the way, nothing is
    # stored of it.
    generation.adapter_revision = "a2"
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        directory = await served_models(generating)
        plan = await asyncio.to_thread(plan_sweep, load_spec(adapted), directory)
        assert len(plan.to_generate) == QUESTIONS
        generation.adapter_revision = "a3"
        endpoints = Endpoints(generating, scoring)
        await run_sweep(plan, endpoints, SilentProgress(), asyncio.Event(), SETTINGS)
    (reason, *_) = rows_of(spec.parent / "results", "failures", "reason")
    assert reason == {"reason": "PROVENANCE_MISMATCH"}
    assert len(rows_of(spec.parent / "results", "generations", "key")) == QUESTIONS
