"""What the scorer tells Prometheus of the items."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import DrainingError, ServiceError
from services.metrics import METRICS
from services.scoring.budget import Budget
from services.scoring.fair_queue import Lane
from services.telemetry.instruments import Metrics
from services.telemetry.scoring_metrics import ScoringMetrics

_SCORED, _FAILED, _REFUSED, _WITHDRAWN = _OUTCOMES = ("scored", "failed", "refused", "withdrawn")


class ItemMetrics:
    """Counts the items of one scorer.

    Args:
        metrics: Where Prometheus finds the counts.
        budgets: What is pending in each lane.
    """

    def __init__(self, metrics: Metrics, budgets: Mapping[Lane, Budget]) -> None:
        self._items = metrics.counter(ScoringMetrics.ITEMS)
        self._durations = metrics.distribution(ScoringMetrics.ITEM_SECONDS)
        for lane in Lane:
            self._durations.begin(lane.value)
            for outcome in _OUTCOMES:
                self._items.begin(lane.value, outcome)
        self._metric_items = dict.fromkeys(METRICS, 0)
        metrics.watch(
            ScoringMetrics.METRIC_ITEMS,
            lambda: {(metric,): count for metric, count in self._metric_items.items()},
        )
        metrics.watch(
            ScoringMetrics.PENDING_ITEMS,
            lambda: {(lane.value,): budget.items for lane, budget in budgets.items()},
        )
        metrics.watch(
            ScoringMetrics.PENDING_BYTES,
            lambda: {(lane.value,): budget.pending_bytes for lane, budget in budgets.items()},
        )

    def refused(self, lane: Lane) -> None:
        """Takes an item that is not let in, or cannot be read."""
        self._items.add(lane.value, _REFUSED)

    @contextmanager
    def refusals(self, lane: Lane) -> Iterator[None]:
        """Takes an item as refused if the block raises one of our errors."""
        try:
            yield
        except ServiceError:
            self.refused(lane)
            raise

    def withdrawn(self, lane: Lane) -> None:
        """Takes an item whose caller went away before there was room for it."""
        self._items.add(lane.value, _WITHDRAWN)

    def ended(
        self,
        lane: Lane,
        scores: asyncio.Future[pb.ItemScores],
        metrics: Sequence[str],
        arrived: float,
    ) -> None:
        """Takes an item whose scores are there, or will not come.

        Args:
            lane: Its lane.
            scores: What its caller waited for; done.
            metrics: The metrics that were wanted.
            arrived: When it arrived, by the monotonic clock.
        """
        if scores.cancelled():
            self._items.add(lane.value, _WITHDRAWN)
            return
        error = scores.exception()
        if error is not None:
            outcome = _REFUSED if isinstance(error, DrainingError) else _FAILED
            self._items.add(lane.value, outcome)
            return
        self._items.add(lane.value, _SCORED)
        self._durations.observe(time.monotonic() - arrived, lane.value)
        counts = self._metric_items
        for metric in metrics:
            counts[metric] += 1
