"""What the journal makes durable, and in which order."""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.sweep.results.batch import ResultBatch
from services.sweep.results.delta import FencedTable
from services.sweep.results.rows import FailureRow, GenerationRow, Row, ScoreRow, Stage, Table
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
        # Names, contents, and how many rows were stored by then.
        self.written: list[tuple[str, bytes, int]] = []
        self.is_full = False

    def write(self, name: str, content: bytes) -> None:
        self.written.append((name, content, len(self.appended)))

    def append(self, rows: Sequence[Row]) -> None:
        if self.is_full and rows:
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


async def test_what_could_not_be_written_is_written_first_the_next_time() -> None:
    tables, committed = RecordingTables(), list[ResultBatch]()
    entries = journal(tables, committed)
    entries.add_generation(GENERATION)
    tables.is_full = True
    with pytest.raises(UserInputError, match="no space"):
        await entries.flush()
    # Its scores must not be stored without it, and are not while there is no room.
    entries.add_scores([SCORE])
    with pytest.raises(UserInputError, match="no space"):
        await entries.flush()
    assert tables.appended == []
    assert committed == []
    tables.is_full = False
    await entries.flush()
    assert tables.appended == [GenerationRow, ScoreRow]
    assert [(len(batch.generations), len(batch.scores)) for batch in committed] == [(1, 0), (0, 1)]


class PartlyFullTables(RecordingTables):
    """Has room for explanations, and none for failures until it is told so."""

    def append(self, rows: Sequence[Row]) -> None:
        if self.is_full and rows and isinstance(rows[0], FailureRow):
            raise UserInputError("no space left on device")
        self.appended.extend(type(row) for row in rows)


async def test_what_was_written_of_a_commit_that_failed_is_not_written_again() -> None:
    tables, committed = PartlyFullTables(), list[ResultBatch]()
    entries = journal(tables, committed)
    entries.add_generation(GENERATION)
    entries.add_failure(FAILURE)
    tables.is_full = True
    with pytest.raises(UserInputError, match="no space"):
        await entries.flush()
    assert tables.appended == [GenerationRow]
    tables.is_full = False
    await entries.flush()
    assert tables.appended == [GenerationRow, FailureRow]
    assert len(committed) == 1


async def test_a_file_is_replaced_before_the_rows_that_it_speaks_of_are_stored() -> None:
    tables, committed = RecordingTables(), list[ResultBatch]()
    entries = journal(tables, committed)
    entries.add_generation(GENERATION)
    entries.add_file("manifest.json", b"one")
    entries.add_file("manifest.json", b"two")
    await entries.flush()
    assert tables.written == [("manifest.json", b"two", 0)]  # before any row
    entries.add_file("manifest.json", b"three")  # and also where there is no row
    await entries.flush()
    assert tables.written[1:] == [("manifest.json", b"three", 1)]


async def test_whoever_asks_waits_while_too_much_is_to_be_written() -> None:
    tables = SlowTables()
    entries = journal(tables, [])
    # The most of four commits of 100 rows and 1,024 results.
    for _ in range(1023):
        entries.add_failure(FAILURE)
    over = asyncio.Event()
    async with asyncio.timeout(10):
        await entries.room(over)
    entries.add_failure(FAILURE)
    waiting = asyncio.create_task(entries.room(over))
    writing = asyncio.create_task(entries.flush())
    await asyncio.to_thread(tables.is_writing.wait, 10)
    assert not waiting.done()
    tables.may_go_on.set()
    async with asyncio.timeout(10):
        await writing
        await waiting
    assert len(tables.appended) == 1024


async def test_nobody_waits_for_room_once_it_is_over() -> None:
    entries = journal(RecordingTables(), [])
    for _ in range(1024):
        entries.add_scores([SCORE])
    over = asyncio.Event()
    waiting = asyncio.create_task(entries.room(over))
    await asyncio.sleep(0)
    assert not waiting.done()
    over.set()
    async with asyncio.timeout(10):
        await waiting


async def test_files_that_cannot_be_joined_on_the_way_stop_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def refuse(table: FencedTable) -> None:
        loop.call_soon_threadsafe(tried.set)
        raise UserInputError("no space left on device")

    monkeypatch.setattr("services.sweep.run.journal._COMMITS_A_JOIN", 1)
    monkeypatch.setattr("services.sweep.results.compaction._join_files", refuse)
    tables, committed = RecordingTables(), list[ResultBatch]()
    entries = ResultJournal(tables, commit_rows=1, commit_interval_s=60, committed=committed.append)
    running = asyncio.create_task(entries.run())
    async with asyncio.timeout(10):
        for _ in range(2):
            tried.clear()
            entries.add_generation(GENERATION)
            await tried.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert tables.appended == [GenerationRow, GenerationRow]
    assert len(committed) == 2


def are_there(files: Sequence[str]) -> bool:
    return all(Path(file).exists() for file in files)


async def test_files_are_joined_on_the_way_and_the_last_commit_waits_for_no_such_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sweep.run.journal._COMMITS_A_JOIN", 2)
    is_committed = asyncio.Event()
    tables = ResultTables(tmp_path)
    scores = next(table for table in tables.fenced if table.uri.endswith("scores"))
    entries = ResultJournal(
        tables, commit_rows=1, commit_interval_s=0.01, committed=lambda _: is_committed.set()
    )
    reader: list[str] = []
    running = asyncio.create_task(entries.run())
    async with asyncio.timeout(60):
        # Four tables take turns, one in every second commit: eight commits see to each of them.
        for number in range(12):
            is_committed.clear()
            entries.add_scores([replace(SCORE, key=str(number))])
            await is_committed.wait()
            if number == 1:
                reader = await asyncio.to_thread(scores.table.file_uris)
    running.cancel()
    await asyncio.wait([running])
    assert scores.file_count < 12
    # Whoever had opened the table before reads on in the files from then.
    assert len(reader) == 2
    assert are_there(reader)
    read = [
        key
        for batch in tables.batches(Table.SCORES, ["key"])
        for key in batch.column("key").to_pylist()
    ]
    assert sorted(read, key=int) == [str(number) for number in range(12)]
    before = scores.file_count
    for number in range(2):
        entries.add_scores([replace(SCORE, key=f"last {number}")])
        await entries.flush()
    assert scores.file_count == before + 2


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
