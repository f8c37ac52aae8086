"""What the journal makes durable, and in which order."""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.sweep.results.batch import ResultBatch
from services.sweep.results.rows import FailureRow, GenerationRow, Row, ScoreRow, Stage
from services.sweep.results.tables import ResultTables
from services.sweep.run.journal import ResultJournal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GENERATION = GenerationRow(
    **{name: "" for name in GenerationRow.__dataclass_fields__ if not name.endswith(("_s", "_at"))}  # type: ignore[arg-type]
    | dict.fromkeys(("queue_s", "prefill_s", "decode_s", "elapsed_s"), 0.0)
    | {"generated_at": NOW}
)
SCORE = ScoreRow("k", "d", "s", "bleu", 0.5, None, (), "bleu|v:1", NOW)
FAILURE = FailureRow(
    "k", "m", "", "q", "with_title", "dev", Stage.GENERATION, "INTERNAL", True, "no", 1, "d", NOW
)


class RecordingTables(ResultTables):
    """Remembers what was appended, in order, and fails on demand."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.appended: list[type[Row]] = []
        self.is_full = False

    def append(self, rows: Sequence[Row]) -> None:
        if self.is_full:
            raise UserInputError("no space left on device")
        self.appended.extend(type(row) for row in rows)


def journal(tables: ResultTables, committed: list[ResultBatch]) -> ResultJournal:
    return ResultJournal(tables, commit_rows=100, commit_interval_s=60, committed=committed.append)


async def test_an_explanation_is_durable_before_its_scores() -> None:
    tables, committed = RecordingTables(), list[ResultBatch]()
    entries = journal(tables, committed)
    entries.add_scores([SCORE])
    entries.add_failure(FAILURE)
    entries.add_generation(GENERATION)
    await entries.flush()
    assert tables.appended == [GenerationRow, FailureRow, ScoreRow]
    assert committed[0].generations == [GENERATION]


async def test_after_a_failed_commit_nothing_more_is_written() -> None:
    tables, committed = RecordingTables(), list[ResultBatch]()
    entries = journal(tables, committed)
    entries.add_generation(GENERATION)
    tables.is_full = True
    with pytest.raises(UserInputError, match="no space"):
        await entries.flush()
    # Its scores must not be stored without it, even if there is room again.
    tables.is_full = False
    entries.add_scores([SCORE])
    with pytest.raises(UserInputError, match="no space"):
        await entries.flush()
    assert tables.appended == []
    assert committed == []


async def test_a_compaction_that_fails_on_the_way_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(tables: ResultTables) -> None:
        raise UserInputError("no space left on device")

    monkeypatch.setattr("services.sweep.run.journal._COMMITS_A_COMPACTION", 1)
    monkeypatch.setattr("services.sweep.results.compaction.compact_tables", refuse)
    tables, committed = RecordingTables(), list[ResultBatch]()
    entries = journal(tables, committed)
    for _ in range(2):
        entries.add_generation(GENERATION)
        await entries.flush()
    assert tables.appended == [GenerationRow, GenerationRow]
    assert len(committed) == 2


async def test_many_rows_are_committed_before_the_interval_is_over() -> None:
    tables, is_committed = RecordingTables(), asyncio.Event()
    entries = ResultJournal(
        tables, commit_rows=3, commit_interval_s=60, committed=lambda _: is_committed.set()
    )
    running = asyncio.create_task(entries.run())
    for _ in range(3):
        entries.add_generation(GENERATION)
    async with asyncio.timeout(10):  # the interval is a minute
        await is_committed.wait()
    running.cancel()
    assert len(tables.appended) == 3


class SlowTables(RecordingTables):
    """Holds every append until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_writing = threading.Event()
        self.may_go_on = threading.Event()

    def append(self, rows: Sequence[Row]) -> None:
        self.is_writing.set()
        assert self.may_go_on.wait(10)
        super().append(rows)


async def test_what_comes_in_during_a_commit_survives_the_cancellation_of_every_task() -> None:
    tables, committed = SlowTables(), list[ResultBatch]()
    entries = journal(tables, committed)
    entries.add_generation(GENERATION)

    async def flush_twice() -> None:
        try:
            await entries.flush()
        finally:
            await entries.flush()  # as a sweep does on its way out

    running = asyncio.create_task(flush_twice())
    await asyncio.to_thread(tables.is_writing.wait)
    entries.add_failure(FAILURE)
    # What the end of the program does to every task, and impatient people more than once.
    for _ in range(2):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
    tables.may_go_on.set()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert tables.appended == [GenerationRow, FailureRow]
    assert [len(batch.failures) for batch in committed] == [0, 1]
