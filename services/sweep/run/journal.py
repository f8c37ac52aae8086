"""Makes results durable in the order in which they depend on each other."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from services.sweep.results.batch import ResultBatch
from services.sweep.results.compaction import try_to_join
from services.sweep.results.rows import FailureRow, GenerationRow, Row, ScoreRow
from services.sweep.results.tables import ResultTables
from services.sweep.run.threads import ended

# In a sweep of days the small files would get too many for whoever reads, and for the log. Each
# time it is another table's turn: of full commits that are a dozen megabytes, which take a second.
_COMMITS_A_JOIN = 6

# While commits take long, or an object store does not answer, so many commits' worth of results
# are kept at most, and asking waits.
_MOST_COMMITS_WAITING = 4
_FEW = 1024


class ResultJournal:
    """Collects rows and commits them every few seconds, or when there are many.

    An explanation is always committed before its scores: a crash in between leaves an explanation
    without scores, which the next run computes, and never scores without an explanation.

    What could not be written is kept, and written first by the next commit.

    Args:
        tables: Where the rows go.
        commit_rows: Explanations and failures after which a commit is due.
        commit_interval_s: Seconds after which a commit is due.
        committed: Told what has become durable, on the event loop.
    """

    def __init__(
        self,
        tables: ResultTables,
        *,
        commit_rows: int,
        commit_interval_s: float,
        committed: Callable[[ResultBatch], None],
    ) -> None:
        self._tables = tables
        self._commit_rows = commit_rows
        self._most_waiting = max(_MOST_COMMITS_WAITING * commit_rows, _FEW)
        self._commit_interval_s = commit_interval_s
        self._committed = committed
        self._pending = ResultBatch()
        # Batches that are being written, each with the parts of it that are not yet.
        self._unwritten: deque[tuple[ResultBatch, deque[Sequence[Row]]]] = deque()
        self._is_full = asyncio.Event()
        self._lock = asyncio.Lock()
        # A thread of its own: those of the event loop may all be reading pictures.
        self._writer = ThreadPoolExecutor(1, "journal")
        self._commits = 0
        self._waiting = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    def add_generation(self, row: GenerationRow) -> None:
        """Takes an explanation; it is durable after the next commit."""
        self._pending.generations.append(row)
        self._note_added()

    def add_scores(self, rows: Sequence[ScoreRow]) -> None:
        """Takes the scores of an explanation that was added before."""
        self._pending.scores.extend(rows)
        self._note_added()

    def add_failure(self, row: FailureRow) -> None:
        """Takes a failure."""
        self._pending.failures.append(row)
        self._note_added()

    def add_file(self, name: str, content: bytes) -> None:
        """Takes a file of the shard's folder; it is replaced before the next rows are stored."""
        self._pending.files[name] = content

    async def room(self, over: asyncio.Event) -> None:
        """Waits while more is to be written than should be kept in memory, or until it is over."""
        while not (self._has_room.is_set() or over.is_set()):
            either = [asyncio.ensure_future(event.wait()) for event in (self._has_room, over)]
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiting in either:
                    waiting.cancel()

    async def run(self) -> None:
        """Commits whenever a commit is due, until cancelled.

        Raises:
            UserInputError: The tables cannot be written.
        """
        while True:
            try:
                async with asyncio.timeout(self._commit_interval_s):
                    await self._is_full.wait()
            except TimeoutError:
                pass  # the interval is over: commit what there is
            before = self._commits
            await self.flush()
            if self._commits // _COMMITS_A_JOIN > before // _COMMITS_A_JOIN:
                await self._join_files(self._commits // _COMMITS_A_JOIN)

    async def flush(self) -> None:
        """Makes everything durable that was added so far; not interrupted by cancellation.

        Raises:
            UserInputError: The tables cannot be written; what was added is kept for another time.
        """
        async with self._lock:
            self._is_full.clear()
            if not self._pending.is_empty:
                batch, self._pending = self._pending, ResultBatch()
                # In this order: later scores might belong to an explanation that is not stored.
                parts = deque[Sequence[Row]]((batch.generations, batch.failures, batch.scores))
                self._unwritten.append((batch, parts))
            cancelled: asyncio.CancelledError | None = None
            while self._unwritten:
                batch, parts = self._unwritten[0]
                writing = asyncio.get_running_loop().run_in_executor(
                    self._writer, self._write, batch, parts
                )
                cancelled = await ended(writing) or cancelled
                writing.result()
                self._unwritten.popleft()
                self._note_written(batch)
            if cancelled is not None:
                raise cancelled

    async def _join_files(self, number: int) -> None:
        async with self._lock:
            joining = asyncio.get_running_loop().run_in_executor(
                self._writer, try_to_join, self._tables, number
            )
            cancelled = await ended(joining)
            joining.result()
        if cancelled is not None:
            raise cancelled

    def _write(self, batch: ResultBatch, parts: deque[Sequence[Row]]) -> None:
        began = time.monotonic()
        for name, content in batch.files.items():
            self._tables.write(name, content)
        while parts:
            self._tables.append(parts[0])
            parts.popleft()  # written: not again if another part fails
        batch.commit_s = time.monotonic() - began

    def _note_added(self) -> None:
        self._pending.results += 1
        self._waiting += 1
        if self._waiting >= self._most_waiting:
            self._has_room.clear()
        if len(self._pending.generations) + len(self._pending.failures) >= self._commit_rows:
            self._is_full.set()

    def _note_written(self, batch: ResultBatch) -> None:
        self._commits += 1
        self._waiting -= batch.results
        if self._waiting < self._most_waiting:
            self._has_room.set()
        self._committed(batch)
