"""What a pool of workers tells Prometheus."""

import time
from collections.abc import Callable

from services.metrics import METRICS
from services.scoring.worker_report import WorkerReport
from services.telemetry.instruments import Metrics
from services.telemetry.scoring_metrics import ScoringMetrics


class PoolMetrics:
    """Counts the work of one pool.

    Args:
        metrics: Where Prometheus finds the counts.
        pool: Its name.
        wanted: How many workers it is to have.
        up: Says how many it has.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        metrics: Metrics,
        pool: str,
        *,
        wanted: int,
        up: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._busy_s = 0.0
        self._busy_since: dict[int, float] = {}
        self._told_busy_s = 0.0
        self._lost = metrics.counter(ScoringMetrics.WORKERS_LOST)
        self._lost.begin(pool)
        self._batches = metrics.distribution(ScoringMetrics.BATCH_ITEMS)
        self._batches.begin(pool)
        self._metric_seconds = metrics.counter(ScoringMetrics.METRIC_SECONDS)
        for metric in METRICS:
            self._metric_seconds.begin(metric)
        self._references = metrics.counter(ScoringMetrics.REFERENCE_LOOKUPS)
        self._embeddings = metrics.counter(ScoringMetrics.EMBEDDING_LOOKUPS)
        for lookups in (self._references, self._embeddings):
            lookups.begin("hit")
            lookups.begin("miss")
        self._encoder_tokens = metrics.counter(ScoringMetrics.ENCODER_TOKENS)
        self._encoder_tokens.begin()
        self._encoder_batches = metrics.distribution(ScoringMetrics.ENCODER_BATCH_SECONDS)
        self._encoder_batches.begin()
        metrics.watch(
            ScoringMetrics.WORKERS, lambda: {(pool, "wanted"): wanted, (pool, "up"): up()}
        )
        metrics.watch(ScoringMetrics.WORKER_BUSY_SECONDS, lambda: {(pool,): self.busy_s()})

    def sent(self, worker_pid: int, items: int) -> None:
        """Takes that a worker was given a batch."""
        self._batches.observe(items, self._pool)
        self._busy_since.setdefault(worker_pid, self._clock())

    def answered(self, worker_pid: int, *, batches_left: int) -> None:
        """Takes that a worker has answered a batch, or is gone and will answer none."""
        if not batches_left and worker_pid in self._busy_since:
            self._busy_s += self._clock() - self._busy_since.pop(worker_pid)

    def lost(self) -> None:
        """Takes that a worker is gone."""
        self._lost.add(self._pool)

    def reported(self, report: WorkerReport) -> None:
        """Takes what a worker tells of its work."""
        for metric, duration_s in report.metric_seconds:
            self._metric_seconds.add(metric, amount=duration_s)
        self._references.add("hit", amount=report.reference_hits)
        self._references.add("miss", amount=report.reference_misses)
        if report.embedding_hits or report.embedding_misses:
            self._embeddings.add("hit", amount=report.embedding_hits)
            self._embeddings.add("miss", amount=report.embedding_misses)
        if report.encoder_batch_seconds:
            self._encoder_tokens.add(amount=report.encoder_tokens)
            for duration_s in report.encoder_batch_seconds:
                self._encoder_batches.observe(duration_s)

    def busy_s(self) -> float:
        """Seconds in which workers had items, those that still have some included; any thread."""
        now = self._clock()
        # Meanwhile a worker may answer, and its seconds be in neither: a counter never goes back.
        busy_s = self._busy_s + sum(now - since for since in list(self._busy_since.values()))
        self._told_busy_s = max(self._told_busy_s, busy_s)
        return self._told_busy_s
