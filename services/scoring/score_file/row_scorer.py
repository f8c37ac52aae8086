"""Who scores rows: this machine's workers, or a scoring service."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from services.core.errors import ExpArtError
from services.metrics import Score, ScoringOptions
from services.scoring.score_file.row import FileRow

Scores = tuple[Score, ...]


class ScoreFileError(ExpArtError):
    """The file could not be scored to its end, by no fault of its rows."""


@dataclass(frozen=True, slots=True)
class ScoringChoice:
    """What every row is asked for.

    Attributes:
        metrics: Names of the metrics; the default ones if empty.
        options: The choices that the benchmark leaves open.
    """

    metrics: Sequence[str]
    options: ScoringOptions


@dataclass(frozen=True, slots=True)
class ScoredMetric:
    """A metric that every row is scored by.

    Attributes:
        name: Its name.
        signature: Everything that can change its values.
        statistic_names: Names of its sufficient statistics, in order.
        max_value: Greatest possible value; infinity where there is none.
    """

    name: str
    signature: str
    statistic_names: tuple[str, ...]
    max_value: float


class RowScorer(Protocol):
    """Scores rows; an async context manager that must be entered first.

    Attributes:
        place: Where rows are scored, for people.
        metrics: What rows are scored by, in the order of their scores; known once entered.
    """

    place: str
    metrics: tuple[ScoredMetric, ...]

    async def submit(self, row: FileRow) -> asyncio.Future[Scores]:
        """Takes a row to be scored.

        Returns:
            The scores to come. Fails with InvalidRequestError or InternalError where only this row
            cannot be scored, and with another error where none can.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
