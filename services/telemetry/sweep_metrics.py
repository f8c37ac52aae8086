"""Every Prometheus metric of a sweep's driver, declared once.

Labels come from closed sets: ``sweep`` is the spec's name, ``model`` one of its models, ``reason``
the name of an error, ``outcome`` is ``done`` or ``failed``. Counters begin at 0 with the driver;
``questions_done`` and ``questions_failed`` are gauges, for they hold what earlier runs did too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

PREFIX = "expart_sweep_"


class Kind(Enum):
    """How a metric behaves."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class SweepMetric:
    """A metric: its name without the prefix, what it means, and its labels besides ``sweep``."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Its name as Prometheus knows it."""
        return PREFIX + self.name


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram's value: cumulative counts by upper bound, the last ``+Inf``, and their sum."""

    cumulative: tuple[tuple[str, int], ...]
    sum: float


Value = float | Buckets
# By the values of the labels besides ``sweep``.
Values = Mapping[tuple[str, ...], Value]


class SweepMetrics:
    """The declarations."""

    PLANNED: ClassVar = SweepMetric(
        "questions_planned", Kind.GAUGE, "Questions that the spec asks.", ("model",)
    )
    DONE: ClassVar = SweepMetric(
        "questions_done", Kind.GAUGE, "Questions whose answer is stored durably.", ("model",)
    )
    FAILED: ClassVar = SweepMetric(
        "questions_failed", Kind.GAUGE, "Questions that failed or lack a picture.", ("model",)
    )
    SETTLED: ClassVar = SweepMetric(
        "questions_settled_total",
        Kind.COUNTER,
        "Questions that this driver settled.",
        ("model", "outcome"),
    )
    IN_FLIGHT: ClassVar = SweepMetric(
        "questions_in_flight", Kind.GAUGE, "Questions being asked now.", ("model",)
    )
    CONCURRENCY: ClassVar = SweepMetric(
        "concurrency_limit", Kind.GAUGE, "Most questions that may be in flight now.", ("model",)
    )
    SET_ASIDE: ClassVar = SweepMetric(
        "model_set_aside", Kind.GAUGE, "1 where the model is asked no more in this run.", ("model",)
    )
    RETRIES: ClassVar = SweepMetric(
        "retries_total", Kind.COUNTER, "Questions asked again, by reason.", ("model", "reason")
    )
    PROMPT_TOKENS: ClassVar = SweepMetric(
        "prompt_tokens_total", Kind.COUNTER, "Tokens read, the pictures' included.", ("model",)
    )
    GENERATED_TOKENS: ClassVar = SweepMetric(
        "generated_tokens_total", Kind.COUNTER, "Tokens generated.", ("model",)
    )
    TOKEN_COST: ClassVar = SweepMetric(
        "token_cost_total",
        Kind.COUNTER,
        "Money for this run's tokens by the spec's prices, in the spec's currency.",
        ("model", "currency"),
    )
    GENERATION_SECONDS: ClassVar = SweepMetric(
        "generation_seconds",
        Kind.HISTOGRAM,
        "Seconds from a question's arrival at the service to its answer.",
        ("model",),
    )
    SCORED: ClassVar = SweepMetric(
        "explanations_scored", Kind.GAUGE, "Explanations whose scores are stored durably."
    )
    BACKLOG: ClassVar = SweepMetric(
        "scoring_backlog", Kind.GAUGE, "Stored explanations without stored scores."
    )
    COMMIT_SECONDS: ClassVar = SweepMetric(
        "commit_seconds", Kind.HISTOGRAM, "Seconds that making results durable took."
    )
    RUN_SECONDS: ClassVar = SweepMetric(
        "run_seconds", Kind.GAUGE, "Seconds since this driver began to ask."
    )


def all_metrics() -> tuple[SweepMetric, ...]:
    """Every metric, in the order of the declarations."""
    return tuple(value for value in vars(SweepMetrics).values() if isinstance(value, SweepMetric))


def metric_families(sweep: str, values: Iterable[tuple[SweepMetric, Values]]) -> Iterable[Metric]:
    """Writes values as Prometheus' client library wants them."""
    for metric, samples in values:
        labels = ["sweep", *metric.labels]
        match metric.kind:
            case Kind.GAUGE:
                gauge = GaugeMetricFamily(metric.full_name, metric.help, labels=labels)
                for names, value in samples.items():
                    gauge.add_metric([sweep, *names], _number(value))
                yield gauge
            case Kind.COUNTER:
                counter = CounterMetricFamily(metric.full_name, metric.help, labels=labels)
                for names, value in samples.items():
                    counter.add_metric([sweep, *names], _number(value))
                yield counter
            case Kind.HISTOGRAM:
                histogram = HistogramMetricFamily(metric.full_name, metric.help, labels=labels)
                for names, value in samples.items():
                    assert isinstance(value, Buckets)
                    histogram.add_metric([sweep, *names], list(value.cumulative), value.sum)
                yield histogram


def _number(value: Value) -> float:
    assert not isinstance(value, Buckets)
    return value
