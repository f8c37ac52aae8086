"""Scores the rows of a source in their order, a bounded number of them at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from services.core.errors import InternalError, InvalidRequestError, ServiceError, UserInputError
from services.scoring.score_file.output import ScoreOutput
from services.scoring.score_file.progress import ScoringProgress
from services.scoring.score_file.read_ahead import Batch, read_ahead
from services.scoring.score_file.row import BrokenRow, FileRow
from services.scoring.score_file.row_scorer import RowScorer, Scores
from services.scoring.score_file.score_columns import ScoredRow
from services.scoring.score_file.source import RowSource
from services.scoring.score_file.tally import Tally

# Enough to keep a service's stream busy, and any number of workers.
_MAX_ROWS_IN_FLIGHT = 512
_MAX_BYTES_IN_FLIGHT = 32 * 2**20


@dataclass(slots=True, eq=False)
class _Entry:
    """A row on its way: its scores are to come, or it is broken.

    Attributes:
        row: The row.
        scores: Its scores to come.
        fraction: Where in the file it is, 0-1; None where that is unknown.
    """

    row: FileRow | BrokenRow
    scores: asyncio.Future[Scores] | None
    fraction: float | None


async def score_rows(
    source: RowSource,
    scorer: RowScorer,
    tally: Tally,
    output: ScoreOutput | None,
    progress: ScoringProgress,
    *,
    skip_bad: bool,
) -> None:
    """Scores all rows.

    Args:
        source: The rows; open.
        scorer: Scores them; entered.
        tally: Counts and sums what comes of them.
        output: Takes the scores of every row; begun.
        progress: Told after every row.
        skip_bad: Whether to count broken rows and go on, instead of ending at the first.

    Raises:
        UserInputError: A row is broken, or the file cannot be read any further.
        ExpArtError: No row can be scored any more.
    """
    window = _Window(scorer)
    feeder = asyncio.create_task(window.feed(read_ahead(source)))
    try:
        while (entry := await window.next_entry()) is not None:
            result = await _settle(entry)
            if isinstance(result, BrokenRow):
                if not skip_bad:
                    raise UserInputError(f"{source.name}: {result.describe(source.unit)}")
                tally.add_broken(result)
                row = ScoredRow.skipped(result)
            else:
                tally.add(result)
                row = result
            if output is not None:
                output.add(row)
            progress.update(tally.scored_count, tally.skipped_count, entry.fraction)
            window.release(entry)
        await feeder  # raises what ended the reading, if anything did
    finally:
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
        window.withdraw()


async def _settle(entry: _Entry) -> ScoredRow | BrokenRow:
    """Waits for what comes of a row.

    Raises:
        ExpArtError: It concerns more than this row.
    """
    row = entry.row
    if isinstance(row, BrokenRow):
        return row
    assert entry.scores is not None
    try:
        scores = await entry.scores
    except (InvalidRequestError, InternalError) as error:
        return BrokenRow(row.number, row.row_id, _problem(error))
    return ScoredRow.scored(row, scores)


def _problem(error: ServiceError) -> str:
    # The contract's name of the field is the column's, but for where it lies in the message.
    return error.message.removeprefix("item.")


class _Window:
    """The rows in flight, in the order of the file."""

    def __init__(self, scorer: RowScorer) -> None:
        self._scorer = scorer
        self._row_count = 0
        self._byte_count = 0
        self._released = asyncio.Event()
        self._entries: deque[_Entry | None] = deque()
        self._changed = asyncio.Event()

    async def feed(self, batches: AsyncGenerator[Batch]) -> None:
        """Submits row after row, whenever there is room."""
        try:
            before = 0.0
            async with aclosing(batches):
                async for batch in batches:
                    for index, row in enumerate(batch.rows, 1):
                        await self._submit(row, _between(before, batch, index))
                    before = batch.fraction or 0.0
        finally:
            self._append(None)

    async def _submit(self, row: FileRow | BrokenRow, fraction: float | None) -> None:
        await self._take_room(_cost_bytes(row))
        scores = await self._scorer.submit(row) if isinstance(row, FileRow) else None
        self._append(_Entry(row, scores, fraction))

    async def next_entry(self) -> _Entry | None:
        """Takes out the next row of the file; None after the last."""
        while not self._entries:
            self._changed.clear()
            await self._changed.wait()
        return self._entries.popleft()

    def release(self, entry: _Entry) -> None:
        """Makes room: the row is done with."""
        self._row_count -= 1
        self._byte_count -= _cost_bytes(entry.row)
        self._released.set()

    def withdraw(self) -> None:
        """Gives up the rows that are still in flight."""
        for entry in self._entries:
            scores = None if entry is None else entry.scores
            if scores is not None and not scores.cancel() and not scores.cancelled():
                scores.exception()  # nobody else will look at it

    async def _take_room(self, cost_bytes: int) -> None:
        """Waits until the row fits in; a large one goes alone."""
        while self._row_count and (
            self._row_count >= _MAX_ROWS_IN_FLIGHT
            or self._byte_count + cost_bytes > _MAX_BYTES_IN_FLIGHT
        ):
            self._released.clear()
            await self._released.wait()
        self._row_count += 1
        self._byte_count += cost_bytes

    def _append(self, entry: _Entry | None) -> None:
        self._entries.append(entry)
        self._changed.set()


def _between(before: float, batch: Batch, index: int) -> float | None:
    """Says where in the file the batch's row of that number is, supposing that rows are alike."""
    if batch.fraction is None:
        return None
    return before + (batch.fraction - before) * index / len(batch.rows)


def _cost_bytes(row: FileRow | BrokenRow) -> int:
    return row.cost_bytes if isinstance(row, FileRow) else 500
