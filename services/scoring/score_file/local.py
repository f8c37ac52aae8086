"""Scores rows on this machine, by the scoring service's own worker processes."""

import asyncio
from types import TracebackType
from typing import Self

from services.core.errors import InvalidRequestError
from services.metrics import find_metrics
from services.scoring.budget import Budget
from services.scoring.convert import ItemLimits, task_from_pb
from services.scoring.score_file.messages import options_to_pb, row_to_pb
from services.scoring.score_file.row import FileRow
from services.scoring.score_file.row_scorer import (
    ScoredMetric,
    ScoreFileError,
    Scores,
    ScoringChoice,
)
from services.scoring.scorer import Scorer
from services.scoring.settings import ScoringSettings
from services.scoring.worker_process import WorkerLostError


class LocalRowScorer:
    """Scores rows by worker processes that it starts and ends.

    Args:
        choice: What every row is asked for.
        settings: How many workers, and how large a row may be.

    Attributes:
        place: Where rows are scored, for people.
        metrics: What rows are scored by, in the order of their scores.

    Raises:
        MetricNotFoundError: No metric has one of the names.
        MetricUnavailableError: A metric needs an encoder, and there is none.
    """

    def __init__(self, choice: ScoringChoice, settings: ScoringSettings) -> None:
        metrics = find_metrics(choice.metrics, choice.options)
        self.place = "this machine"
        self.metrics = tuple(
            ScoredMetric(m.name, m.sign(choice.options), m.statistic_names, m.max_value)
            for m in metrics
        )
        self._names = tuple(metric.name for metric in metrics)
        self._options = options_to_pb(choice.options)
        self._limits = ItemLimits(
            settings.max_text_chars, settings.max_entities, settings.max_entity_chars
        )
        self._scorer = Scorer(
            workers=settings.workers,
            batch_items=settings.batch_items,
            batch_timeout_s=settings.batch_timeout_s,
            budget=Budget(settings.max_pending_items, settings.max_pending_bytes),
        )

    async def submit(self, row: FileRow) -> asyncio.Future[Scores]:
        """Takes a row to be scored."""
        request = row_to_pb(row, self._names, self._options)
        try:
            task = task_from_pb(request, self._limits)
        except InvalidRequestError as error:
            refused: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            return refused
        return await self._scorer.submit(task)

    async def __aenter__(self) -> Self:
        try:
            await self._scorer.start()
        except WorkerLostError as error:
            raise ScoreFileError(f"the scoring workers did not start: {error}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._scorer.stop()
