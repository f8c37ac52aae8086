"""A sweep's progress as Prometheus metrics, made at each scrape of the counts as they were last."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.sweep.progress.snapshot import Histogram, ModelProgress, SweepSnapshot
from services.sweep.remote.retry import RETRIED_REASONS
from services.sweep.spec.spec import PricesSpec
from services.telemetry.declarations import Buckets, MetricDeclaration, Values, metric_families
from services.telemetry.sweep_metrics import SweepMetrics

_MILLION = 1e6


class MetricsProgress(Collector):
    """Watches a sweep for Prometheus.

    Args:
        sweep: Name of the spec.
        prices: What tokens cost.
    """

    def __init__(self, sweep: str, prices: PricesSpec) -> None:
        self._sweep = sweep
        self._prices = prices
        self._first: SweepSnapshot | None = None
        self._last: SweepSnapshot | None = None

    def update(self, snapshot: SweepSnapshot) -> None:
        """Takes the counts."""
        # A scrape reads them from another thread: each is one value that never changes.
        if self._first is None:
            self._first = snapshot
        self._last = snapshot

    def note(self, message: str) -> None:
        """Ignores the remark."""

    def collect(self) -> Iterable[Metric]:
        """Gives the metrics of now; none before the sweep began."""
        first, last = self._first, self._last
        if first is None or last is None:
            return ()
        return metric_families(
            (metric, {(self._sweep, *labels): value for labels, value in values.items()})
            for metric, values in self._values(first, last)
        )

    def describe(self) -> Iterable[Metric]:
        """Gives no metrics, for what there is depends on the sweep."""
        return ()

    # By the values of the labels but the first, which is the sweep.
    def _values(
        self, first: SweepSnapshot, last: SweepSnapshot
    ) -> Iterator[tuple[MetricDeclaration, Values]]:
        models = last.models
        yield SweepMetrics.PLANNED, {(model.label,): model.planned for model in models}
        yield SweepMetrics.DONE, {(model.label,): model.done for model in models}
        yield SweepMetrics.FAILED, {(model.label,): model.failed for model in models}
        yield SweepMetrics.SETTLED, _settled(first.models, models)
        yield SweepMetrics.IN_FLIGHT, {(model.label,): model.in_flight for model in models}
        yield SweepMetrics.CONCURRENCY, {(model.label,): model.concurrency for model in models}
        yield SweepMetrics.SET_ASIDE, {(model.label,): bool(model.set_aside) for model in models}
        yield (
            SweepMetrics.RETRIES,
            {
                (model.label, reason.value): model.retries.get(reason, 0)
                for model in models
                for reason in sorted(RETRIED_REASONS)
            },
        )
        yield SweepMetrics.PROMPT_TOKENS, {(one.label,): one.prompt_token_count for one in models}
        yield (
            SweepMetrics.GENERATED_TOKENS,
            {(model.label,): model.generated_token_count for model in models},
        )
        yield SweepMetrics.TOKEN_COST, self._token_costs(models)
        yield (
            SweepMetrics.GENERATION_SECONDS,
            {(model.label,): _buckets(model.latency) for model in models},
        )
        yield SweepMetrics.SCORED, {(): last.scored}
        yield SweepMetrics.BACKLOG, {(): last.unscored}
        yield SweepMetrics.COMMIT_SECONDS, {(): _buckets(last.commits)}
        yield SweepMetrics.COMMITS, {(): last.commits.count}
        yield SweepMetrics.RUN_SECONDS, {(): last.elapsed_s}
        remaining_s = last.remaining_s
        yield SweepMetrics.ETA_SECONDS, {} if remaining_s is None else {(): remaining_s}

    def _token_costs(self, models: Iterable[ModelProgress]) -> Values:
        costs: dict[tuple[str, ...], float] = {}
        for model in models:
            price = self._prices.models.get(model.label)
            if price is None:
                continue
            costs[model.label, self._prices.currency] = (
                model.prompt_token_count * (price.input_per_million_tokens or 0.0)
                + model.generated_token_count * (price.output_per_million_tokens or 0.0)
            ) / _MILLION
        return costs


def _settled(before: Iterable[ModelProgress], now: Iterable[ModelProgress]) -> Values:
    counts: dict[tuple[str, ...], float] = {}
    for old, new in zip(before, now, strict=True):
        counts[new.label, "done"] = new.done - old.done
        counts[new.label, "failed"] = new.failed - old.failed
    return counts


def _buckets(histogram: Histogram) -> Buckets:
    return Buckets.of(histogram.bounds_s, histogram.counts, histogram.sum_s)
