"""A row scorer that answers when and how the test says, without processes."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from services.metrics import METRICS, Score, ScoringOptions, Unscorable, UnscorableReason
from services.scoring.score_file.row import FileRow
from services.scoring.score_file.row_scorer import ScoredMetric, Scores

LENGTH = METRICS["length"]
LENGTH_COLUMN = ScoredMetric(
    "length", LENGTH.sign(ScoringOptions()), LENGTH.statistic_names, LENGTH.max_value
)

PR_COLUMN = ScoredMetric("pr", "pr|rules:scripted", ("precision", "recall"), 1.0)


def length_score(value: float) -> Score:
    return Score(
        LENGTH.name, value, (value,) * len(LENGTH.statistic_names), LENGTH_COLUMN.signature
    )


def pr_score(precision: float, recall: float, value: float) -> Score:
    return Score("pr", value, (precision, recall), PR_COLUMN.signature)


def pr_unscorable() -> Score:
    return Score("pr", Unscorable(UnscorableReason.NO_ENTITIES), (0.0, 0.0), PR_COLUMN.signature)


class ScriptedRowScorer:
    """Scores every row by the length of its candidate in characters, or fails as told.

    Args:
        failure: Gives the error of a row, or None where it gets its score.
        delay_s: Gives how long a row takes.
        busy_count: How many rows it was given when ``is_busy`` is set.
    """

    def __init__(
        self,
        failure: Callable[[FileRow], Exception | None] = lambda _: None,
        delay_s: Callable[[FileRow], float] = lambda _: 0.0,
        busy_count: int = 1,
    ) -> None:
        self.place = "a script"
        self.metrics = (LENGTH_COLUMN,)
        self.submitted: list[FileRow] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.is_busy = asyncio.Event()
        self._failure = failure
        self._delay_s = delay_s
        self._busy_count = busy_count

    async def submit(self, row: FileRow) -> asyncio.Future[Scores]:
        loop = asyncio.get_running_loop()
        scores: asyncio.Future[Scores] = loop.create_future()
        self.submitted.append(row)
        if len(self.submitted) >= self._busy_count:
            self.is_busy.set()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        loop.call_later(self._delay_s(row), self._settle, row, scores)
        return scores

    def _settle(self, row: FileRow, scores: asyncio.Future[Scores]) -> None:
        self.in_flight -= 1
        if scores.done():
            return
        error = self._failure(row)
        if error is None:
            scores.set_result((length_score(float(len(row.candidate))),))
        else:
            scores.set_exception(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None
