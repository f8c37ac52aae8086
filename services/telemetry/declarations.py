"""What a Prometheus metric is here: its declaration, its values, and how they are written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)


class Kind(Enum):
    """How a metric behaves."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricDeclaration:
    """A metric.

    Attributes:
        name: Its name as Prometheus knows it; with the base unit, and ``_total`` on counters.
        kind: How it behaves.
        help: What it means, in one sentence.
        labels: Names of its labels, whose values come from closed sets.
        bounds: Upper bounds of a histogram's buckets, rising; what is above them counts too.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram's value: cumulative counts by upper bound, the last ``+Inf``, and their sum."""

    cumulative: tuple[tuple[str, int], ...]
    sum: float

    @classmethod
    def of(cls, bounds: Sequence[float], counts: Sequence[int], total: float) -> "Buckets":
        """Makes the value of counts a bucket, the last of which are above all bounds.

        >>> Buckets.of((0.5, 1.0), (2, 0, 1), 7.5).cumulative
        (('0.5', 2), ('1.0', 2), ('+Inf', 3))
        """
        cumulative: list[tuple[str, int]] = []
        so_far = 0
        for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
            so_far += count
            cumulative.append((bound, so_far))
        return cls(tuple(cumulative), total)


Value = float | Buckets
# By the values of the labels, in the order of the declaration.
Values = Mapping[tuple[str, ...], Value]


def counter(name: str, meaning: str, *labels: str) -> MetricDeclaration:
    """Declares what only grows."""
    return MetricDeclaration(name, Kind.COUNTER, meaning, labels)


def gauge(name: str, meaning: str, *labels: str) -> MetricDeclaration:
    """Declares what goes up and down."""
    return MetricDeclaration(name, Kind.GAUGE, meaning, labels)


def histogram(
    name: str, meaning: str, *labels: str, bounds: tuple[float, ...] = ()
) -> MetricDeclaration:
    """Declares what is counted by its size; without bounds where its values bring their own."""
    return MetricDeclaration(name, Kind.HISTOGRAM, meaning, labels, bounds)


def declared(holder: object) -> tuple[MetricDeclaration, ...]:
    """Lists the declarations among the attributes of a class or an object, in their order."""
    names = getattr(holder, "__slots__", None) or vars(holder)
    values = (getattr(holder, name) for name in names)
    return tuple(value for value in values if isinstance(value, MetricDeclaration))


def metric_families(values: Iterable[tuple[MetricDeclaration, Values]]) -> Iterator[Metric]:
    """Writes values as Prometheus' client library wants them."""
    for metric, samples in values:
        labels = metric.labels
        match metric.kind:
            case Kind.GAUGE:
                gauges = GaugeMetricFamily(metric.name, metric.help, labels=labels)
                for names, value in samples.items():
                    gauges.add_metric(names, _number(value))
                yield gauges
            case Kind.COUNTER:
                counters = CounterMetricFamily(metric.name, metric.help, labels=labels)
                for names, value in samples.items():
                    counters.add_metric(names, _number(value))
                yield counters
            case Kind.HISTOGRAM:
                histograms = HistogramMetricFamily(metric.name, metric.help, labels=labels)
                for names, value in samples.items():
                    assert isinstance(value, Buckets)
                    histograms.add_metric(names, list(value.cumulative), value.sum)
                yield histograms


def _number(value: Value) -> float:
    assert not isinstance(value, Buckets)
    return value
