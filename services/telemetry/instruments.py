"""Counts what happens, cheaply, and gives the counts to Prometheus when it asks.

A count costs a dictionary's look-up: no lock, as only the thread of the event loop writes. Scrapes
come in threads of their own and read copies, each of which Python makes in one step.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.telemetry.declarations import (
    Buckets,
    MetricDeclaration,
    Value,
    Values,
    metric_families,
)

_log = structlog.get_logger()


class Counter:
    """What has happened, by the values of the labels."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[tuple[str, ...], float] = {}

    def begin(self, *labels: str) -> None:
        """Shows a series from 0 on, so that its first event is seen as a change."""
        self._values.setdefault(labels, 0.0)

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Counts."""
        self._values[labels] = self._values.get(labels, 0.0) + amount

    def values(self) -> Values:
        """Gives the counts."""
        return self._values.copy()


class _Series:
    """The buckets of one series, and the sum of what fell into them."""

    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0


class Distribution:
    """How large things were, by the values of the labels.

    Args:
        bounds: Upper bounds of the buckets, rising.
    """

    __slots__ = ("_bounds", "_series")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._series: dict[tuple[str, ...], _Series] = {}

    def begin(self, *labels: str) -> None:
        """Shows a series before anything has fallen into it."""
        if labels not in self._series:
            self._series[labels] = _Series(len(self._bounds) + 1)

    def observe(self, value: float, *labels: str) -> None:
        """Counts a value."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _Series(len(self._bounds) + 1)
        series.counts[bisect_left(self._bounds, value)] += 1
        series.sum += value

    def values(self) -> Values:
        """Gives the buckets."""
        return {
            labels: Buckets.of(self._bounds, series.counts.copy(), series.sum)
            for labels, series in self._series.copy().items()
        }


class Metrics(Collector):
    """The metrics of one process: rooms receive it and count, Prometheus collects.

    What nobody collects costs next to nothing, so rooms count whether or not anybody watches.
    """

    def __init__(self) -> None:
        self._counters: dict[MetricDeclaration, Counter] = {}
        self._distributions: dict[MetricDeclaration, Distribution] = {}
        self._read: dict[MetricDeclaration, list[Callable[[], Values]]] = {}

    def counter(self, declared: MetricDeclaration) -> Counter:
        """Gives the counter of a declaration, always the same one."""
        if declared not in self._counters:
            self._counters[declared] = made = Counter()
            self.watch(declared, made.values)
        return self._counters[declared]

    def distribution(self, declared: MetricDeclaration) -> Distribution:
        """Gives the distribution of a declaration, always the same one."""
        if declared not in self._distributions:
            self._distributions[declared] = made = Distribution(declared.bounds)
            self.watch(declared, made.values)
        return self._distributions[declared]

    def watch(self, declared: MetricDeclaration, read: Callable[[], Values]) -> None:
        """Has values read at every scrape: of gauges, and of counts that somebody keeps anyway.

        Args:
            declared: The metric. Several may tell of one: their series must differ.
            read: Gives its values. Called in the thread of the scrape: it must only look, and
                copy first what the event loop changes.
        """
        self._read.setdefault(declared, []).append(read)

    def values(self, declared: MetricDeclaration) -> dict[tuple[str, ...], Value]:
        """Gives the values of one metric as they are now."""
        return dict(chain.from_iterable(read().items() for read in self._read.get(declared, ())))

    def collect(self) -> Iterable[Metric]:
        """Gives all metrics, as Prometheus' client library wants them."""
        return metric_families(self._collected())

    def describe(self) -> Iterable[Metric]:
        """Gives no metrics: what there is depends on what was asked for."""
        return ()

    def _collected(self) -> Iterator[tuple[MetricDeclaration, Values]]:
        for declared in list(self._read):
            try:
                yield declared, self.values(declared)
            except Exception:  # noqa: BLE001 - one that cannot be read must not hide the others
                _log.exception("metric_not_read", metric=declared.name)
