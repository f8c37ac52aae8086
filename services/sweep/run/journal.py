"""Makes results durable in the order in which they depend on each other."""

import asyncio
import time
from collections.abc import Callable, Sequence

from services.sweep.results.batch import ResultBatch
from services.sweep.results.compaction import try_to_compact
from services.sweep.results.rows import FailureRow, GenerationRow, ScoreRow
from services.sweep.results.tables import ResultTables

# In a sweep of days the small files would get too many for whoever reads, and for the log.
_COMMITS_A_COMPACTION = 500


class ResultJournal:
    """Collects rows and commits them every few seconds, or when there are many.

    An explanation is always committed before its scores: a crash in between leaves an explanation
    without scores, which the next run computes, and never scores without an explanation.

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
        self._commit_interval_s = commit_interval_s
        self._committed = committed
        self._pending = ResultBatch()
        self._is_full = asyncio.Event()
        self._lock = asyncio.Lock()
        self._broken: Exception | None = None
        self._commits = 0

    def add_generation(self, row: GenerationRow) -> None:
        """Takes an explanation; it is durable after the next commit."""
        self._pending.generations.append(row)
        self._check_full()

    def add_scores(self, rows: Sequence[ScoreRow]) -> None:
        """Takes the scores of an explanation that was added before."""
        self._pending.scores.extend(rows)

    def add_failure(self, row: FailureRow) -> None:
        """Takes a failure."""
        self._pending.failures.append(row)
        self._check_full()

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
            await self.flush()

    async def flush(self) -> None:
        """Makes everything durable that was added so far; not interrupted by cancellation.

        Raises:
            UserInputError: The tables cannot be written, now or at an earlier commit.
        """
        async with self._lock:
            if self._broken is not None and not self._pending.is_empty:
                raise self._broken
            batch, self._pending = self._pending, ResultBatch()
            self._is_full.clear()
            if batch.is_empty:
                return
            # No task: ending the program cancels every task, and the thread would write on alone.
            began = time.monotonic()
            writing = asyncio.get_running_loop().run_in_executor(None, self._write, batch)
            cancelled: asyncio.CancelledError | None = None
            while not writing.done():
                try:
                    await asyncio.wait([writing])
                except asyncio.CancelledError as error:
                    # The thread cannot be interrupted: what it writes must still be counted.
                    cancelled = error
            writing.result()
            batch.commit_s = time.monotonic() - began
            self._committed(batch)
            if cancelled is not None:
                raise cancelled

    def _write(self, batch: ResultBatch) -> None:
        try:
            self._tables.append(batch.generations)
            self._tables.append(batch.failures)
            self._tables.append(batch.scores)
            self._commits += 1
            if self._commits % _COMMITS_A_COMPACTION == 0:
                try_to_compact(self._tables)  # whatever comes of it, the rows are stored
        except Exception as error:
            # Later scores might belong to an explanation that is not stored.
            self._broken = error
            raise

    def _check_full(self) -> None:
        if len(self._pending.generations) + len(self._pending.failures) >= self._commit_rows:
            self._is_full.set()
