"""One run of a sweep with scripted services: what is stored, however it ends."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.core.errors import StorageError
from services.sweep.plan.plan import SweepPlan
from services.sweep.progress.progress import SilentProgress
from services.sweep.progress.snapshot import SweepSnapshot
from services.sweep.progress.steady import SteadyDisplay
from services.sweep.results.folder import StoreUnavailableError
from services.sweep.results.manifest import read_manifest
from services.sweep.results.rows import GenerationRow, Row, Table
from services.sweep.results.tables import ResultTables
from services.sweep.run.settings import SweepSettings
from tests.unit.sweep.scripted_services import (
    ScriptedGeneration,
    small_plan,
    small_run,
    stored_keys,
)
from tests.unit.sweep.test_sweep_steady import BreakingDisplay

# Long enough for a machine that is busy.
SOON_S = 60


def keys_of(plan: SweepPlan) -> list[str]:
    return sorted(job.key for job in plan.jobs)


async def turns(count: int) -> None:
    """Lets everything else have its turn so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


class TroubledTables(ResultTables):
    """Tables of an object store that now and then does not answer.

    Attributes:
        faults: Raised one after the other, each in the place of a commit of explanations.
        may_write: While it is not set, every commit waits.
        is_writing: Set once a commit has begun.
    """

    def __init__(self, folder: Path, *faults: StoreUnavailableError) -> None:
        super().__init__(folder)
        self.faults = list(faults)
        self.may_write, self.is_writing = threading.Event(), threading.Event()
        self.may_write.set()

    def append(self, rows: Sequence[Row]) -> None:
        if rows:
            self.is_writing.set()
            assert self.may_write.wait(SOON_S)
        if rows and isinstance(rows[0], GenerationRow) and self.faults:
            raise self.faults.pop()
        super().append(rows)


class NotingProgress(SilentProgress):
    """Remembers what people are told, and the last counts."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.last: SweepSnapshot | None = None

    def update(self, snapshot: SweepSnapshot) -> None:
        self.last = snapshot

    def note(self, message: str) -> None:
        self.notes.append(message)


async def test_every_question_is_stored_once_though_the_display_breaks(tmp_path: Path) -> None:
    plan, tables, generation = small_plan(30), ResultTables(tmp_path), ScriptedGeneration()
    broken = BreakingDisplay(OSError(5, "Input/output error"), sound=2)
    with SteadyDisplay(broken) as display:
        run = small_run(plan, tables, generation, progress=display)
        async with asyncio.timeout(SOON_S):
            outcome = await run.run()
    assert broken.calls.count("update") <= 2
    assert outcome.complete
    for table in (Table.GENERATIONS, Table.SCORES):
        assert stored_keys(tables, table) == keys_of(plan)
    # And what the service attested is in the manifest, from the run itself.
    manifest = read_manifest(tables.folder)
    assert manifest is not None
    assert [attested.revision for attested in manifest.attested["alpha"]] == ["r1"]


async def test_what_takes_too_long_to_end_is_left_and_the_rest_is_stored(tmp_path: Path) -> None:
    plan, tables, progress = small_plan(6, concurrency=3), ResultTables(tmp_path), NotingProgress()
    generation, stop = ScriptedGeneration(expected=3), asyncio.Event()
    generation.flowing.clear()
    settings = SweepSettings(drain_s=0.05)
    run = small_run(plan, tables, generation, progress=progress, stop=stop, settings=settings)
    running = asyncio.create_task(run.run())
    async with asyncio.timeout(SOON_S):
        await generation.asked_so_many.wait()
        stop.set()
        outcome = await running
    assert progress.notes == ["what was in flight took longer than 0.05 s: the next run does it"]
    assert (outcome.stopped, outcome.unasked, outcome.complete) == (True, 6, False)
    assert stored_keys(tables, Table.GENERATIONS) == []


async def test_what_was_in_flight_when_it_was_stopped_is_stored_and_scored(tmp_path: Path) -> None:
    plan, tables, stop = small_plan(6, concurrency=3), ResultTables(tmp_path), asyncio.Event()
    generation = ScriptedGeneration(expected=3)
    generation.flowing.clear()
    running = asyncio.create_task(small_run(plan, tables, generation, stop=stop).run())
    async with asyncio.timeout(SOON_S):
        await generation.asked_so_many.wait()
        stop.set()
        await turns(100)  # until the model's run has heard of it
        generation.flowing.set()
        outcome = await running
    assert (outcome.stopped, outcome.unasked, outcome.unscored) == (True, 3, 0)
    for table in (Table.GENERATIONS, Table.SCORES):
        assert stored_keys(tables, table) == sorted(generation.asked)


async def test_a_store_that_is_given_up_is_tried_once_more_with_all_that_had_arrived(
    tmp_path: Path,
) -> None:
    plan, generation = small_plan(40, concurrency=40), ScriptedGeneration()
    tables = TroubledTables(tmp_path, StoreUnavailableError("the store cannot be reached"))
    run = small_run(plan, tables, generation, settings=SweepSettings(commit_rows=10))
    with pytest.raises(BaseExceptionGroup) as raised:
        async with asyncio.timeout(SOON_S):
            await run.run()
    assert raised.group_contains(StorageError, match="cannot be reached", depth=1)
    stored = stored_keys(tables, Table.GENERATIONS)
    assert len(stored) == len(set(stored)) == generation.answered >= 10
    # None has scores that is not there itself.
    assert set(stored_keys(tables, Table.SCORES)) <= set(stored)


async def test_asking_waits_while_the_store_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sweep.run.journal._FEW", 8)
    plan, generation = small_plan(100, concurrency=4), ScriptedGeneration()
    tables = TroubledTables(tmp_path)
    tables.may_write.clear()
    # Four commits of two, and so eight results may wait: explanations and their scores.
    settings = SweepSettings(commit_rows=2, commit_interval_s=0.02)
    running = asyncio.create_task(small_run(plan, tables, generation, settings=settings).run())
    assert await asyncio.to_thread(tables.is_writing.wait, SOON_S)
    await turns(2000)  # far more than all the questions take
    # Eight, and the four that were in flight when there was no room any more.
    assert generation.answered <= 12
    tables.may_write.set()
    async with asyncio.timeout(SOON_S):
        outcome = await running
    assert outcome.complete
    assert stored_keys(tables, Table.GENERATIONS) == keys_of(plan)
    assert stored_keys(tables, Table.SCORES) == keys_of(plan)


async def test_a_run_that_is_stopped_while_the_store_takes_nothing_asks_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sweep.run.journal._FEW", 8)
    plan, generation, stop = small_plan(100), ScriptedGeneration(), asyncio.Event()
    tables = TroubledTables(tmp_path)
    tables.may_write.clear()
    settings = SweepSettings(commit_rows=2, commit_interval_s=0.02)
    running = asyncio.create_task(
        small_run(plan, tables, generation, stop=stop, settings=settings).run()
    )
    assert await asyncio.to_thread(tables.is_writing.wait, SOON_S)
    await turns(2000)
    answered = generation.answered
    stop.set()
    await turns(2000)
    assert generation.answered == answered
    tables.may_write.set()
    async with asyncio.timeout(SOON_S):
        outcome = await running
    assert outcome.stopped
    assert stored_keys(tables, Table.GENERATIONS) == sorted(generation.asked)
