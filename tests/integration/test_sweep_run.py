"""Whole sweeps over real sockets, with everything that can go wrong on the way."""

import asyncio
import errno
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from expart.generation.v1 import generation_service_pb2 as gen_pb
from services.core.digests import digest_of
from services.core.errors import (
    DrainingError,
    EngineUnavailableError,
    GenerationAbortedError,
    InternalError,
    InvalidRequestError,
    OverloadedError,
    ServiceError,
    UserInputError,
)
from services.sweep.leaderboard.leaderboard import build_leaderboard
from services.sweep.plan.plan import SweepPlan
from services.sweep.plan.prepare import plan_sweep, stored_tables
from services.sweep.progress.outcome import SweepOutcome
from services.sweep.progress.progress import SilentProgress
from services.sweep.progress.snapshot import SweepSnapshot
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
from services.sweep.results.delta import FencedTable
from services.sweep.results.manifest import read_manifest
from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.run.runner import run_sweep
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import load_spec
from tests.integration.sweep_services import (
    Fault,
    ScriptedGeneration,
    ScriptedScoring,
    no_fault,
    serving,
)

SETTINGS = SweepSettings(commit_rows=8, commit_interval_s=0.2, max_attempts=3, max_wait_s=5)
# Soon gives up what nobody answers.
IMPATIENT = SETTINGS.model_copy(update={"max_wait_s": 0.5})
# 6 artworks, 2 sections each, 2 settings, in each of the two parts.
QUESTIONS = 6 * 2 * 2 * 2
REVISIONS = {"alpha": "r1", "beta": "r2"}


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sweep.remote.retry._FIRST_BACKOFF_S", 0.01)


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    (folder / "images").mkdir(parents=True)
    for split in ("test_seen", "test_unseen"):
        records = [
            _record(f"{split} work {work}", section, setting, f"images/{split}-{work}.png")
            for work in range(6)
            for section in ("History", "Legacy")
            for setting in ("with_title", "without_title")
        ]
        (folder / f"{split}.json").write_text(json.dumps(records))
        for work in range(6):
            (folder / "images" / f"{split}-{work}.png").write_bytes(f"{split} {work}".encode())
    return _write_spec(tmp_path, models=["alpha", "beta"])


def _record(title: str, section: str, setting: str, image: str) -> dict[str, object]:
    name = title if setting == "with_title" else "this artwork"
    return {
        "id": f"{title}/{section}/{setting}",
        "question_id": f"{title}/{section}",
        "setting": setting,
        "title": title,
        "section": section,
        "image": image,
        "conversations": [
            {"from": "human", "value": f"<image>\nExplain the {section} of {name}."},
            {"from": "gpt", "value": f"The {section} of {title} is known."},
        ],
        "entities": [title, section],
    }


def _write_spec(folder: Path, **changes: object) -> Path:
    spec = {
        "dataset": {"folder": "dataset"},
        "models": ["alpha"],
        "sampling": {"max_tokens": 16, "temperature": 0},
        "concurrency": 4,
        "output": "results",
        **changes,
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


class Watcher(SilentProgress):
    """Keeps what it is told."""

    def __init__(self, watch: Callable[[SweepSnapshot], None] = lambda snapshot: None) -> None:
        self.snapshots: list[SweepSnapshot] = []
        self.notes: list[str] = []
        self._watch = watch

    def update(self, snapshot: SweepSnapshot) -> None:
        self.snapshots.append(snapshot)
        self._watch(snapshot)

    def note(self, message: str) -> None:
        self.notes.append(message)


async def sweep(
    spec_file: Path,
    generation: ScriptedGeneration,
    scoring: ScriptedScoring,
    *,
    progress: Watcher | None = None,
    stop: asyncio.Event | None = None,
    settings: SweepSettings = SETTINGS,
) -> SweepOutcome:
    async with serving(generation, scoring) as (generating, scoring_at):
        plan = await plan_against(spec_file, generating)
        return await run_sweep(
            plan,
            Endpoints(generating, scoring_at),
            progress or Watcher(),
            stop or asyncio.Event(),
            settings,
        )


async def plan_against(spec_file: Path, generating: str) -> SweepPlan:
    directory = await served_models(generating)
    return await asyncio.to_thread(plan_sweep, load_spec(spec_file), directory)


def stored(spec_file: Path, table: Table, *columns: str) -> list[dict[str, object]]:
    return [
        row
        for tables in stored_tables(load_spec(spec_file))
        for batch in tables.batches(table, columns)
        for row in batch.to_pylist()
    ]


def assert_complete(spec_file: Path, models: int = 2) -> None:
    """Every planned question has exactly one explanation, and each of these one set of scores."""
    planned = [row["key"] for row in stored(spec_file, Table.PLAN, "key")]
    assert len(planned) == QUESTIONS * models
    generated = [row["key"] for row in stored(spec_file, Table.GENERATIONS, "key")]
    assert sorted(map(str, generated)) == sorted(map(str, planned))
    scores = Counter(
        (row["key"], row["metric"]) for row in stored(spec_file, Table.SCORES, "key", "metric")
    )
    assert set(scores.values()) == {1}
    assert {key for key, _ in scores} == set(planned)


async def test_a_sweep_answers_and_scores_every_question_once(spec_file: Path) -> None:
    generation, scoring = ScriptedGeneration(REVISIONS), ScriptedScoring()
    outcome = await sweep(spec_file, generation, scoring)
    assert outcome.complete
    assert outcome.failed == 0
    assert_complete(spec_file)
    assert set(generation.completed.values()) == {1}
    rows = {row["key"]: row for row in stored(spec_file, Table.GENERATIONS, "key", "text", "model")}
    plan = stored(spec_file, Table.PLAN, "key", "title", "section", "setting", "model")
    for row in plan:
        name = row["title"] if row["setting"] == "with_title" else "this artwork"
        expected = f"{row['model']} says: Explain the {row['section']} of {name}."
        assert rows[row["key"]]["text"] == expected


async def test_no_more_questions_are_in_flight_than_the_spec_allows(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS, delay_s=0.01)
    await sweep(spec_file, generation, ScriptedScoring())
    assert generation.most_concurrent == {"alpha": 4, "beta": 4}


async def test_every_picture_is_sent_once_however_many_questions_are_about_it(
    spec_file: Path,
) -> None:
    generation = ScriptedGeneration(REVISIONS, delay_s=0.005)
    await sweep(spec_file, generation, ScriptedScoring())
    # 6 artworks in each of the two parts, and two models that ask about each.
    assert len(generation.uploads) == 12
    assert set(generation.uploads.values()) == {1}


async def test_pictures_that_a_front_has_forgotten_are_sent_again(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS, delay_s=0.002)
    generation.on_completed = lambda total: generation.images.clear() if total % 10 == 0 else None
    assert (await sweep(spec_file, generation, ScriptedScoring())).complete
    assert_complete(spec_file)


async def test_a_service_that_refuses_gets_fewer_questions_at_a_time(spec_file: Path) -> None:
    refused = 0

    def full_above_two(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        nonlocal refused
        if generation.concurrent[request.model] <= 2:
            return None
        refused += 1
        return Fault(OverloadedError("full", retry_after_s=0.01))

    generation = ScriptedGeneration(REVISIONS, fault=full_above_two, delay_s=0.005)
    path = _write_spec(spec_file.parent, models=["alpha"], concurrency=16)
    assert (await sweep(path, generation, ScriptedScoring())).complete
    assert_complete(path, models=1)
    # With 16 that go on asking, 14 are refused every 10 ms while 2 are answered every 5 ms: three
    # refusals an answer. With the limit near two, less than one.
    assert 0 < refused < 1.5 * QUESTIONS


async def test_what_failed_for_good_is_asked_again_when_told_to(spec_file: Path) -> None:
    def refuse(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        return Fault(InvalidRequestError("bad")) if attempt == 1 else None

    generation, scoring = ScriptedGeneration(REVISIONS, fault=refuse), ScriptedScoring()
    assert (await sweep(spec_file, generation, scoring)).failed == 2 * QUESTIONS
    async with serving(generation, scoring) as (generating, scoring_at):
        directory = await served_models(generating)
        plan = plan_sweep(load_spec(spec_file), directory, retry_failed=True)
        outcome = await run_sweep(
            plan, Endpoints(generating, scoring_at), Watcher(), asyncio.Event(), SETTINGS
        )
    assert outcome.failed == 0
    assert_complete(spec_file)


async def test_an_outage_of_the_service_costs_no_question(spec_file: Path) -> None:
    generation, scoring = ScriptedGeneration(REVISIONS, delay_s=0.005), ScriptedScoring()
    half = asyncio.Event()
    generation.on_completed = lambda total: half.set() if total == QUESTIONS else None
    async with serving(None, scoring) as (scoring_at,):
        async with serving(generation) as (generating,):
            plan = await plan_against(spec_file, generating)
            running = asyncio.ensure_future(
                run_sweep(
                    plan, Endpoints(generating, scoring_at), Watcher(), asyncio.Event(), SETTINGS
                )
            )
            await half.wait()
        await asyncio.sleep(1)  # it is gone; longer than the attempts of a question would last
        assert not running.done()
        async with serving(generation, address=generating):
            outcome = await running
    assert outcome.complete
    assert outcome.failed == 0
    assert_complete(spec_file)


async def test_what_is_in_flight_longer_than_the_drain_lasts_is_left_to_the_next_run(
    spec_file: Path,
) -> None:
    generation = ScriptedGeneration(REVISIONS, delay_s=60)
    stop = asyncio.Event()

    def stop_then(request: gen_pb.StreamExplanationRequest, attempt: int) -> None:
        if len(generation.asked) == 8:
            stop.set()

    generation.fault = stop_then
    settings = SETTINGS.model_copy(update={"drain_s": 0.2})
    outcome = await sweep(spec_file, generation, ScriptedScoring(), stop=stop, settings=settings)
    assert outcome.stopped
    assert generation.cancelled == 8
    generation.delay_s = 0
    assert (await sweep(spec_file, generation, ScriptedScoring())).complete
    assert_complete(spec_file)


async def test_models_take_turns_when_the_spec_says_so(spec_file: Path) -> None:
    together = Counter[int]()
    generation = ScriptedGeneration(REVISIONS, delay_s=0.005)

    def count_models(request: gen_pb.StreamExplanationRequest, attempt: int) -> None:
        together[sum(count > 0 for count in generation.concurrent.values())] += 1

    generation.fault = count_models
    path = _write_spec(spec_file.parent, models=["alpha", "beta"], max_parallel_models=1)
    await sweep(path, generation, ScriptedScoring())
    assert set(together) == {1}
    assert_complete(path)


async def test_a_finished_sweep_asks_nothing_of_anyone(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS)
    await sweep(spec_file, generation, ScriptedScoring())
    async with serving(generation) as (generating,):
        plan = await plan_against(spec_file, generating)
    assert not plan.has_work
    nobody = Endpoints("127.0.0.1:1", "127.0.0.1:1")
    outcome = await run_sweep(plan, nobody, Watcher(), asyncio.Event(), SETTINGS)
    assert outcome.complete
    assert [model.done for model in outcome.models] == [QUESTIONS, QUESTIONS]


async def test_a_model_that_is_added_gets_the_new_questions_only(spec_file: Path) -> None:
    generation, scoring = ScriptedGeneration(REVISIONS), ScriptedScoring()
    await sweep(_write_spec(spec_file.parent, models=["alpha"]), generation, scoring)
    asked = Counter(generation.asked)
    await sweep(_write_spec(spec_file.parent, models=["alpha", "beta"]), generation, scoring)
    assert {key: generation.asked[key] for key in asked} == asked
    assert len(generation.asked) == 2 * QUESTIONS
    assert_complete(spec_file)


def first_attempts_fail(fault: Fault, attempts: int = 1) -> Callable[..., Fault | None]:
    def choose(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        return fault if attempt <= attempts else None

    return choose


@pytest.mark.parametrize(
    "fault",
    [
        Fault(OverloadedError("full", retry_after_s=0.02)),
        Fault(EngineUnavailableError("lost")),
        Fault(DrainingError("going")),
        Fault(GenerationAbortedError("lost"), after_words=True),
    ],
    ids=lambda fault: fault.error.reason,
)
async def test_a_passing_fault_loses_nothing_and_leaves_no_half_answer(
    spec_file: Path, fault: Fault
) -> None:
    generation = ScriptedGeneration(REVISIONS, fault=first_attempts_fail(fault))
    outcome = await sweep(spec_file, generation, ScriptedScoring())
    assert outcome.complete
    assert outcome.failed == 0
    assert set(generation.asked.values()) == {2}
    assert_complete(spec_file)
    texts = [row["text"] for row in stored(spec_file, Table.GENERATIONS, "text")]
    assert all(str(text).count("says") == 1 for text in texts)
    assert not stored(spec_file, Table.FAILURES, "key")


async def test_a_bad_question_fails_with_its_reason_and_is_never_asked_again(
    spec_file: Path,
) -> None:
    def refuse_legacy(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        bad = "Legacy" in request.instruction and request.model == "alpha"
        return Fault(InvalidRequestError("the instruction is bad")) if bad else None

    generation = ScriptedGeneration(REVISIONS, fault=refuse_legacy)
    outcome = await sweep(spec_file, generation, ScriptedScoring())
    assert outcome.complete
    assert outcome.failed == QUESTIONS // 2
    failures = stored(spec_file, Table.FAILURES, "reason", "message", "attempts", "final")
    assert len(failures) == QUESTIONS // 2
    assert failures[0] == {
        "reason": "INVALID_REQUEST",
        "message": "the instruction is bad",
        "attempts": 1,
        "final": True,
    }
    board = build_leaderboard(load_spec(spec_file).output)
    assert board.failures == {"INVALID_REQUEST": QUESTIONS // 2}
    assert board.to_ask_again == 0
    rows = {(row.model, row.setting, row.part): row for row in board.standings}
    alpha = rows["alpha", "with_title", "all"]
    assert (alpha.planned, alpha.scored, alpha.failed, alpha.pending) == (24, 12, 12, 0)

    asked = Counter(generation.asked)
    again = await sweep(spec_file, generation, ScriptedScoring())
    assert again.failed == QUESTIONS // 2
    assert generation.asked == asked


async def test_what_the_service_failed_at_is_asked_again_by_the_next_run(spec_file: Path) -> None:
    failing = first_attempts_fail(Fault(EngineUnavailableError("lost")), attempts=3)
    generation = ScriptedGeneration(REVISIONS, fault=failing)
    path = _write_spec(spec_file.parent, models=["alpha", "beta"], set_aside_after=1000)
    first = await sweep(path, generation, ScriptedScoring())
    assert first.failed == 2 * QUESTIONS  # three attempts each, all of them in vain
    assert set(generation.asked.values()) == {3}
    assert not first.complete
    assert first.to_ask_again == 2 * QUESTIONS
    assert build_leaderboard(load_spec(spec_file).output).to_ask_again == 2 * QUESTIONS
    second = await sweep(spec_file, generation, ScriptedScoring())
    assert second.complete
    assert second.failed == 0
    assert build_leaderboard(load_spec(spec_file).output).to_ask_again == 0
    assert_complete(spec_file)


async def test_a_model_that_keeps_failing_is_set_aside_and_the_other_goes_on(
    spec_file: Path,
) -> None:
    def break_alpha(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        return Fault(InternalError("broken")) if request.model == "alpha" else None

    generation = ScriptedGeneration(REVISIONS, fault=break_alpha)
    path = _write_spec(spec_file.parent, models=["alpha", "beta"], set_aside_after=5)
    progress = Watcher()
    outcome = await sweep(path, generation, ScriptedScoring(), progress=progress)
    alpha, beta = outcome.models
    # The fifth failure sets it aside; at most the three others in flight can still fail.
    assert 5 <= alpha.failed <= 8
    assert alpha.set_aside.startswith("INTERNAL: ")
    assert beta.done == QUESTIONS
    assert not outcome.complete
    assert outcome.unasked == QUESTIONS - alpha.failed
    assert any("alpha is set aside" in note for note in progress.notes)


async def test_a_model_for_which_everybody_waits_in_vain_is_set_aside(spec_file: Path) -> None:
    def fill_alpha(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        full = Fault(OverloadedError("full", retry_after_s=0.05))
        return full if request.model == "alpha" else None

    generation = ScriptedGeneration(REVISIONS, fault=fill_alpha)
    settings = SETTINGS.model_copy(update={"max_wait_s": 0.3})
    outcome = await sweep(spec_file, generation, ScriptedScoring(), settings=settings)
    alpha, beta = outcome.models
    assert alpha.set_aside.startswith("OVERLOADED: ")
    # Only those that waited together can fail before it is left: four are taken up at a time.
    assert alpha.done == 0
    assert 1 <= alpha.failed <= 4
    assert beta.done == QUESTIONS
    assert not outcome.complete


async def test_a_question_that_takes_longer_than_its_deadline_is_asked_again(
    spec_file: Path,
) -> None:
    def hang_at_first(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        return Fault(InternalError("nobody waits for this"), delay_s=60) if attempt == 1 else None

    path = _write_spec(spec_file.parent, concurrency=48, deadline_s=0.5)
    generation = ScriptedGeneration(REVISIONS, fault=hang_at_first)
    outcome = await sweep(path, generation, ScriptedScoring())
    assert outcome.complete
    assert outcome.failed == 0
    assert min(generation.asked.values()) == 2
    # Each call that hung was ended.
    assert generation.cancelled >= QUESTIONS
    assert_complete(path, models=1)


async def test_a_model_that_hangs_is_set_aside_as_soon_as_it_answered_nobody_for_so_long(
    spec_file: Path,
) -> None:
    def hang_alpha(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        hung = Fault(InternalError("nobody waits for this"), delay_s=60)
        return hung if request.model == "alpha" else None

    path = _write_spec(spec_file.parent, models=["alpha", "beta"], deadline_s=0.2)
    generation, watcher = ScriptedGeneration(REVISIONS, fault=hang_alpha), Watcher()
    # Neither the attempts nor 20 failures in a row would end this: only the time does.
    settings = SETTINGS.model_copy(update={"max_attempts": 10_000, "max_wait_s": 1.0})
    outcome = await sweep(path, generation, ScriptedScoring(), progress=watcher, settings=settings)
    alpha, beta = outcome.models
    assert alpha.set_aside.startswith("DEADLINE_EXCEEDED: ")
    assert (alpha.done, beta.done) == (0, QUESTIONS)
    assert 1 <= alpha.failed <= 4
    # Nobody was answered: that is no reason to ask fewer at a time.
    assert {snapshot.models[0].concurrency for snapshot in watcher.snapshots} == {4}


async def test_a_question_that_its_engine_dies_of_fails_alone(spec_file: Path) -> None:
    deadly = "Explain the Legacy of test_seen work 3."
    generation = ScriptedGeneration({"alpha": "r1"}, deadly=deadly, delay_s=0.4)
    settings = SETTINGS.model_copy(update={"max_attempts": 6})
    # Seven others are being answered whenever the engine dies, but for its being asked alone.
    path = _write_spec(spec_file.parent, concurrency=8, set_aside_after=3)
    outcome = await sweep(path, generation, ScriptedScoring(), settings=settings)
    [alpha] = outcome.models
    assert alpha.set_aside == ""
    assert (alpha.done, alpha.failed) == (QUESTIONS - 1, 1)
    [failure] = stored(path, Table.FAILURES, "reason", "final", "attempts")
    assert failure == {"reason": "ENGINE_UNAVAILABLE", "final": False, "attempts": 6}
    assert outcome.to_ask_again == 1


async def test_bad_questions_do_not_set_a_model_aside(spec_file: Path) -> None:
    def refuse_all(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        return Fault(InvalidRequestError("bad")) if request.model == "alpha" else None

    generation = ScriptedGeneration(REVISIONS, fault=refuse_all)
    path = _write_spec(spec_file.parent, models=["alpha", "beta"], set_aside_after=5)
    outcome = await sweep(path, generation, ScriptedScoring())
    assert [model.failed for model in outcome.models] == [QUESTIONS, 0]
    assert outcome.models[0].set_aside == ""


async def test_another_revision_than_planned_is_noticed_and_stored_as_no_answer(
    spec_file: Path,
) -> None:
    generation = ScriptedGeneration(dict(REVISIONS))
    scoring = ScriptedScoring()
    async with serving(generation, scoring) as (generating, scoring_at):
        plan = await plan_against(spec_file, generating)
        generation.revisions["alpha"] = "r9"
        outcome = await run_sweep(
            plan, Endpoints(generating, scoring_at), Watcher(), asyncio.Event(), SETTINGS
        )
    alpha, beta = outcome.models
    assert (alpha.done, beta.done) == (0, QUESTIONS)
    assert alpha.failed <= 4  # set aside with the first one: only those in flight
    failure = stored(spec_file, Table.FAILURES, "reason", "message", "final")[0]
    assert failure["reason"] == "PROVENANCE_MISMATCH"
    assert "'r1'" in str(failure["message"])
    assert "'r9'" in str(failure["message"])
    assert not failure["final"]
    # Planned again, the new revision is another model: all of its questions are asked.
    await sweep(spec_file, generation, scoring)
    models = [row["revision"] for row in stored(spec_file, Table.GENERATIONS, "revision")]
    assert Counter(models) == {"r2": QUESTIONS, "r9": QUESTIONS}


async def test_a_missing_picture_counts_as_failed_until_it_is_there(spec_file: Path) -> None:
    picture = spec_file.parent / "dataset" / "images" / "test_seen-3.png"
    content = picture.read_bytes()
    picture.unlink()
    generation = ScriptedGeneration(REVISIONS)
    outcome = await sweep(spec_file, generation, ScriptedScoring())
    assert outcome.complete
    assert outcome.failed == 2 * 4  # its two sections in two settings, for two models
    board = build_leaderboard(load_spec(spec_file).output)
    assert board.failures == {"PICTURE_MISSING": 8}
    picture.write_bytes(content)
    again = await sweep(spec_file, generation, ScriptedScoring())
    assert again.failed == 0
    assert_complete(spec_file)
    assert build_leaderboard(load_spec(spec_file).output).failures == {}


async def test_a_picture_that_the_service_refuses_fails_alone_and_for_good(
    spec_file: Path,
) -> None:
    picture = spec_file.parent / "dataset" / "images" / "test_seen-3.png"
    picture.write_bytes(bytes(2000))
    generation = ScriptedGeneration(REVISIONS, image_max_bytes=1000)
    outcome = await sweep(spec_file, generation, ScriptedScoring())
    assert outcome.complete
    assert sum(generation.asked.values()) == 2 * (QUESTIONS - 4)
    failures = stored(spec_file, Table.FAILURES, "reason", "final")
    # Its two sections in two settings, for two models.
    assert failures == [{"reason": "IMAGE_TOO_LARGE", "final": True}] * 8
    assert generation.uploads[digest_of(bytes(2000))] == 1
    again = await sweep(spec_file, generation, ScriptedScoring())
    assert again.failed == 8


@pytest.mark.parametrize("completed", [17, 90])
async def test_a_cancelled_sweep_stores_what_has_arrived_and_resumes(
    spec_file: Path, completed: int
) -> None:
    generation = ScriptedGeneration(REVISIONS, delay_s=0.002)
    scoring = ScriptedScoring()
    # Nothing is committed for its number or its age.
    rarely = SETTINGS.model_copy(update={"commit_rows": 10_000, "commit_interval_s": 600})
    running: list[asyncio.Task[SweepOutcome]] = []

    def cancel(total: int) -> None:
        if total == completed:
            running[0].cancel()

    generation.on_completed = cancel
    running.append(asyncio.ensure_future(sweep(spec_file, generation, scoring, settings=rarely)))
    with pytest.raises(asyncio.CancelledError):
        await running[0]
    durable = {str(row["key"]) for row in stored(spec_file, Table.GENERATIONS, "key")}
    # All but those that were on their way.
    assert generation.completed.total() - 8 <= len(durable) < 2 * QUESTIONS
    asked = Counter(generation.asked)
    generation.on_completed = lambda total: None
    outcome = await sweep(spec_file, generation, scoring)
    assert outcome.complete
    assert_complete(spec_file)
    assert {key: generation.asked[key] for key in durable} == {key: asked[key] for key in durable}
    # Asked twice were at most those in flight: four for each model.
    assert sum(count > 1 for count in generation.asked.values()) <= 8


async def test_a_stopped_sweep_ends_what_is_in_flight_and_stores_it(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS, delay_s=0.01)
    stop = asyncio.Event()
    generation.on_completed = lambda total: stop.set() if total == 10 else None
    outcome = await sweep(spec_file, generation, ScriptedScoring(), stop=stop)
    assert outcome.stopped
    assert not outcome.complete
    assert generation.cancelled == 0
    generated = stored(spec_file, Table.GENERATIONS, "key")
    assert len(generated) == sum(generation.completed.values())
    assert 10 <= len(generated) <= 10 + 8
    await sweep(spec_file, generation, ScriptedScoring())
    assert_complete(spec_file)
    assert set(generation.asked.values()) == {1}


async def test_progress_counts_only_what_is_durable(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS, delay_s=0.005)

    def check(snapshot: SweepSnapshot) -> None:
        durable = len(stored(spec_file, Table.GENERATIONS, "key"))
        assert sum(model.done for model in snapshot.models) <= durable

    progress = Watcher(check)
    await sweep(spec_file, generation, ScriptedScoring(), progress=progress)
    done = [sum(model.done for model in snapshot.models) for snapshot in progress.snapshots]
    assert done == sorted(done)
    assert done[-1] == 2 * QUESTIONS
    assert len(set(done)) > 3
    assert progress.snapshots[-1].scored == 2 * QUESTIONS


async def test_generation_does_not_wait_for_scores(spec_file: Path) -> None:
    scoring = ScriptedScoring()
    scoring.gate.clear()
    generation = ScriptedGeneration(REVISIONS)

    def open_gate(total: int) -> None:
        if total == 2 * QUESTIONS:  # every answer was generated before a single score was computed
            assert not scoring.answered
            scoring.gate.set()

    generation.on_completed = open_gate
    outcome = await sweep(spec_file, generation, scoring)
    assert outcome.complete
    assert_complete(spec_file)


async def test_scores_that_a_cancelled_sweep_left_out_are_computed_without_generating_again(
    spec_file: Path,
) -> None:
    scoring = ScriptedScoring()
    scoring.gate.clear()
    generation = ScriptedGeneration(REVISIONS)
    running: list[asyncio.Task[SweepOutcome]] = []
    generation.on_completed = lambda total: running[0].cancel() if total == 2 * QUESTIONS else None
    running.append(asyncio.ensure_future(sweep(spec_file, generation, scoring)))
    with pytest.raises(asyncio.CancelledError):
        await running[0]
    durable = {row["key"] for row in stored(spec_file, Table.GENERATIONS, "key")}
    assert len(durable) >= 2 * QUESTIONS - 8
    assert not stored(spec_file, Table.SCORES, "key")
    scoring.gate.set()
    asked = Counter(generation.asked)
    outcome = await sweep(spec_file, generation, scoring)
    assert outcome.complete
    assert_complete(spec_file)
    assert all(generation.asked[str(key)] == asked[str(key)] for key in durable)


async def test_a_mended_reference_is_scored_anew_without_generating_again(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS)
    await sweep(spec_file, generation, ScriptedScoring())
    file = spec_file.parent / "dataset" / "test_seen.json"
    file.write_text(file.read_text().replace(" is known.", " is well known indeed."))
    scoring = ScriptedScoring()
    outcome = await sweep(spec_file, generation, scoring)
    assert outcome.complete
    assert set(generation.asked.values()) == {1}
    assert len(scoring.answered) == QUESTIONS  # half of the questions, for two models


async def test_scores_of_an_outdated_signature_are_computed_again_once_anything_runs(
    spec_file: Path,
) -> None:
    generation = ScriptedGeneration(REVISIONS)
    await sweep(_write_spec(spec_file.parent, models=["alpha"]), generation, ScriptedScoring())
    newer = ScriptedScoring(signature_suffix="|v:next")
    path = _write_spec(spec_file.parent, models=["alpha", "beta"])
    progress = Watcher()
    await sweep(path, generation, newer, progress=progress)
    assert len(newer.answered) == 2 * QUESTIONS
    assert set(generation.asked.values()) == {1}
    assert any("scored again" in note for note in progress.notes)
    assert progress.snapshots[-1].scored == 2 * QUESTIONS
    board = build_leaderboard(load_spec(path).output)
    assert all("|v:next" in metric.signature for metric in board.standings[0].metrics.values())


async def test_scores_of_a_service_that_is_upgraded_meanwhile_are_made_alike_by_the_next_run(
    spec_file: Path,
) -> None:
    def upgrade(item_id: str, attempt: int) -> None:
        if len(scoring.answered) == QUESTIONS:
            scoring.signature_suffix = "|v:next"

    scoring, generation = ScriptedScoring(item_error=upgrade), ScriptedGeneration(REVISIONS)
    progress = Watcher()
    outcome = await sweep(spec_file, generation, scoring, progress=progress)
    assert not outcome.complete
    assert outcome.unscored == QUESTIONS  # the second half
    assert len([note for note in progress.notes if "was it upgraded?" in note]) == 1
    with pytest.raises(UserInputError, match="different signatures"):
        build_leaderboard(load_spec(spec_file).output)
    assert (await sweep(spec_file, generation, scoring)).complete
    assert set(generation.asked.values()) == {1}
    assert build_leaderboard(load_spec(spec_file).output).pending == 0


async def test_a_scoring_service_that_fails_at_every_item_is_asked_again_by_the_next_run(
    spec_file: Path,
) -> None:
    def break_down(item_id: str, attempt: int) -> ServiceError | None:
        return InternalError("the disk is full")

    generation, progress = ScriptedGeneration(REVISIONS), Watcher()
    broken = ScriptedScoring(item_error=break_down)
    outcome = await sweep(spec_file, generation, broken, progress=progress)
    assert not outcome.complete
    assert outcome.unscored == 2 * QUESTIONS
    assert any("scoring was given up: the disk is full" in note for note in progress.notes)
    assert (await sweep(spec_file, generation, ScriptedScoring())).complete
    assert set(generation.asked.values()) == {1}
    assert_complete(spec_file)


async def test_a_rescoring_that_was_cut_short_is_ended_by_the_next_run(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS)
    await sweep(_write_spec(spec_file.parent, models=["alpha"]), generation, ScriptedScoring())
    # The newer service is lost for good after ten items, all of them rescored: beta says nothing.
    losses: dict[int, tuple[int, ServiceError]] = {1: (10, EngineUnavailableError("gone"))}
    losses |= {number: (0, EngineUnavailableError("gone")) for number in range(2, 100)}
    newer = ScriptedScoring(signature_suffix="|v:next", lose_stream_after=losses)
    path = _write_spec(spec_file.parent, models=["alpha", "beta"])

    def silence_beta(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        return Fault(InvalidRequestError("no")) if request.model == "beta" else None

    generation.fault = silence_beta
    assert not (await sweep(path, generation, newer, settings=IMPATIENT)).complete
    with pytest.raises(UserInputError, match="different signatures"):
        build_leaderboard(load_spec(path).output)
    path = _write_spec(spec_file.parent, models=["alpha"])
    asked = Counter(generation.asked)
    assert (await sweep(path, generation, ScriptedScoring(signature_suffix="|v:next"))).complete
    assert generation.asked == asked
    assert build_leaderboard(load_spec(path).output).pending == 0


async def test_scores_that_cannot_be_computed_again_are_retired(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS)
    await sweep(_write_spec(spec_file.parent, models=["alpha"]), generation, ScriptedScoring())
    refused = stored(spec_file, Table.GENERATIONS, "key")[0]["key"]

    def refuse(item_id: str, attempt: int) -> ServiceError | None:
        return InvalidRequestError("too long") if item_id == refused else None

    stricter = ScriptedScoring(signature_suffix="|v:next", item_error=refuse)
    path = _write_spec(spec_file.parent, models=["alpha", "beta"])
    assert (await sweep(path, generation, stricter)).complete
    board = build_leaderboard(load_spec(path).output)
    assert board.failures == {"INVALID_REQUEST": 1}
    async with serving(generation) as (generating,):
        assert not (await plan_against(path, generating)).has_work


async def test_a_lost_scoring_stream_is_reopened_and_nothing_is_scored_twice(
    spec_file: Path,
) -> None:
    losses: dict[int, tuple[int, ServiceError]] = {
        1: (5, EngineUnavailableError("restarting")),
        2: (0, DrainingError("going")),
        3: (9, OverloadedError("full", retry_after_s=0.01)),
    }
    scoring = ScriptedScoring(lose_stream_after=losses)
    outcome = await sweep(spec_file, ScriptedGeneration(REVISIONS), scoring)
    assert outcome.complete
    assert scoring.streams >= 4
    assert_complete(spec_file)


async def test_a_scoring_service_that_stays_lost_costs_no_explanation(spec_file: Path) -> None:
    always = {number: (0, EngineUnavailableError("gone")) for number in range(1, 100)}
    progress = Watcher()
    generation = ScriptedGeneration(REVISIONS)
    outcome = await sweep(
        spec_file,
        generation,
        ScriptedScoring(lose_stream_after=always),
        progress=progress,
        settings=IMPATIENT,
    )
    assert not outcome.complete
    assert outcome.unscored == 2 * QUESTIONS
    assert outcome.unasked == 0
    assert any("scoring was given up" in note for note in progress.notes)
    assert (await sweep(spec_file, generation, ScriptedScoring())).complete
    assert set(generation.asked.values()) == {1}
    assert_complete(spec_file)


async def test_an_item_that_cannot_be_scored_fails_alone(spec_file: Path) -> None:
    chosen: list[str] = []

    def refuse_first(item_id: str, attempt: int) -> ServiceError | None:
        if not chosen:
            chosen.append(item_id)
        return InvalidRequestError("too long") if item_id == chosen[0] else None

    scoring = ScriptedScoring(item_error=refuse_first)
    generation, progress = ScriptedGeneration(REVISIONS), Watcher()
    outcome = await sweep(spec_file, generation, scoring)
    assert outcome.complete
    failures = stored(spec_file, Table.FAILURES, "key", "stage", "reason")
    assert failures == [{"key": chosen[0], "stage": "scoring", "reason": "INVALID_REQUEST"}]
    board = build_leaderboard(load_spec(spec_file).output)
    assert board.failures == {"INVALID_REQUEST": 1}
    assert board.pending == 0
    # The next run does not count it as scored either.
    await sweep(spec_file, generation, scoring, progress=progress)
    assert progress.snapshots[-1].scored == 2 * QUESTIONS - 1


async def test_an_item_is_tried_again_when_the_scoring_service_is_full(spec_file: Path) -> None:
    def full_at_first(item_id: str, attempt: int) -> ServiceError | None:
        return OverloadedError("full", retry_after_s=0.01) if attempt == 1 else None

    scoring = ScriptedScoring(item_error=full_at_first)
    assert (await sweep(spec_file, ScriptedGeneration(REVISIONS), scoring)).complete
    assert set(scoring.asked.values()) == {2}
    assert_complete(spec_file)


async def test_more_answers_than_may_wait_for_scores_are_read_back_from_the_tables(
    spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sweep.run.scoring_pipe._MOST_WAITING", 3)
    scoring = ScriptedScoring()
    scoring.gate.clear()
    generation = ScriptedGeneration(REVISIONS)
    generation.on_completed = lambda total: scoring.gate.set() if total == 60 else None
    assert (await sweep(spec_file, generation, scoring)).complete
    assert_complete(spec_file)


async def test_a_compaction_that_fails_at_the_end_fails_no_sweep(
    spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(table: FencedTable, keep_hours: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("services.sweep.results.compaction.compact_table", refuse)
    progress = Watcher()
    generation, scoring = ScriptedGeneration(REVISIONS), ScriptedScoring()
    outcome = await sweep(spec_file, generation, scoring, progress=progress)
    assert outcome.complete
    assert_complete(spec_file)
    [note] = [note for note in progress.notes if "No space left on device" in note]
    assert f"expart sweep compact {load_spec(spec_file).output}" in note
    assert "\n" not in note


async def test_without_a_scoring_service_nothing_is_asked(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS)
    async with serving(generation) as (generating,):
        plan = await plan_against(spec_file, generating)
        endpoints = Endpoints(generating, "127.0.0.1:1")
        gone = r"the scoring service at 127\.0\.0\.1:1 does not answer: "
        with pytest.raises(ServiceError, match=gone):
            await run_sweep(plan, endpoints, Watcher(), asyncio.Event(), SETTINGS)
    assert not generation.asked


async def test_a_second_sweep_into_the_same_folder_is_refused(spec_file: Path) -> None:
    refusals: list[str] = []
    generation, scoring = ScriptedGeneration(REVISIONS), ScriptedScoring()
    async with serving(generation, scoring) as (generating, scoring_at):
        plan = await plan_against(spec_file, generating)
        endpoints = Endpoints(generating, scoring_at)

        async def intrude() -> None:
            with pytest.raises(UserInputError) as caught:
                await run_sweep(plan, endpoints, Watcher(), asyncio.Event(), SETTINGS)
            refusals.append(caught.value.message)

        generation.delay_s = 0.01
        tasks: list[asyncio.Task[None]] = []
        generation.on_completed = lambda total: (
            tasks.append(asyncio.ensure_future(intrude())) if total == 1 else None
        )
        await run_sweep(plan, endpoints, Watcher(), asyncio.Event(), SETTINGS)
        await tasks[0]
    assert len(refusals) == 1
    assert "another sweep is writing there" in refusals[0]
    assert_complete(spec_file)


async def test_two_sweeps_planned_at_once_ask_every_question_once(spec_file: Path) -> None:
    generation, scoring = ScriptedGeneration(REVISIONS), ScriptedScoring()
    async with serving(generation, scoring) as (generating, scoring_at):
        plan = await plan_against(spec_file, generating)
        for _ in range(2):
            endpoints = Endpoints(generating, scoring_at)
            outcome = await run_sweep(plan, endpoints, Watcher(), asyncio.Event(), SETTINGS)
            assert outcome.complete
            assert [model.done for model in outcome.models] == [QUESTIONS, QUESTIONS]
    assert set(generation.asked.values()) == {1}
    assert_complete(spec_file)


async def test_the_manifest_says_how_the_results_came_about(spec_file: Path) -> None:
    await sweep(spec_file, ScriptedGeneration(REVISIONS, fault=no_fault), ScriptedScoring())
    store = ResultStore(load_spec(spec_file).output)
    manifest = json.loads(store.read_text(store.shard_file(Shard(), "manifest.json")) or "")
    assert manifest["mapping"] == "conversations-with-setting"
    assert manifest["questions"] == 2 * QUESTIONS
    assert manifest["revisions"] == REVISIONS
    assert manifest["attested"]["alpha"] == [
        {
            "revision": "r1",
            "engine": "scripted",
            "engine_version": "1",
            "dtype": "float32",
            "quantization": "",
            "sampling": {"max_tokens": 16, "temperature": 0.0},
        }
    ]
    assert manifest["signatures"]["bleu"].startswith("bleu|")
    assert manifest["ended_at"] > manifest["started_at"]
    assert manifest["spec"]["sampling"]["max_tokens"] == 16


async def test_a_plan_without_work_keeps_the_times_of_the_last_run(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS)
    await sweep(spec_file, generation, ScriptedScoring())
    before = read_manifest(ResultStore(load_spec(spec_file).output).folder(Shard()))
    fewer = _write_spec(spec_file.parent, models=["alpha"])
    assert (await sweep(fewer, generation, ScriptedScoring())).complete
    after = read_manifest(ResultStore(load_spec(fewer).output).folder(Shard()))
    assert before is not None
    assert after is not None
    assert after.questions == QUESTIONS
    assert (after.started_at, after.ended_at) == (before.started_at, before.ended_at)


async def test_a_cancelled_sweep_loses_nothing_that_the_service_attested(spec_file: Path) -> None:
    generation = ScriptedGeneration(REVISIONS, delay_s=0.002)
    running: list[asyncio.Task[SweepOutcome]] = []
    generation.on_completed = lambda total: running[0].cancel() if total == 40 else None
    running.append(asyncio.ensure_future(sweep(spec_file, generation, ScriptedScoring())))
    with pytest.raises(asyncio.CancelledError):
        await running[0]
    manifest = read_manifest(ResultStore(load_spec(spec_file).output).folder(Shard()))
    assert manifest is not None
    assert {label: len(noted) for label, noted in manifest.attested.items()} == {
        "alpha": 1,
        "beta": 1,
    }
    assert manifest.ended_at is None
