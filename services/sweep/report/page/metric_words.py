"""How the page speaks of the metrics."""

from dataclasses import dataclass

from services.metrics.registry import METRICS
from services.sweep.report.charts.labels import metric_name
from services.sweep.report.tables.layout import has_best, heading

# The first of these that was computed is shown first.
_HEADLINES = ("ef1", "ec_exact", "ec_partial", "ecooc_inf", "rouge_l", "bleu")


@dataclass(frozen=True, slots=True)
class MetricWords:
    """How the page speaks of a metric.

    Attributes:
        name: Its name in the code.
        short: What heads a column.
        long: What a menu says.
        meaning: One sentence saying what it measures.
        unit: What a difference is counted in.
        digits: Digits after the point.
        ranks: Whether more of it is better.
    """

    name: str
    short: str
    long: str
    meaning: str
    unit: str
    digits: int
    ranks: bool


def metric_words(name: str) -> MetricWords:
    """Says how the page speaks of a metric of the registry."""
    ranks = has_best(name)
    return MetricWords(
        name=name,
        short=heading(name).line,
        long=metric_name(name),
        meaning=METRICS[name].description,
        unit="points" if ranks else "tokens",
        digits=2 if ranks else 1,
        ranks=ranks,
    )


def headline(metrics: tuple[str, ...]) -> str:
    """The metric that is shown first; empty where there is none."""
    return next((name for name in _HEADLINES if name in metrics), metrics[0] if metrics else "")
