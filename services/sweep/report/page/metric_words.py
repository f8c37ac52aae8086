"""What the page calls the metrics."""

import math
from dataclasses import dataclass

from services.metrics.registry import METRICS

_NAMES = {
    "bleu": ("BLEU", "BLEU"),
    "rouge_1": ("R-1", "ROUGE-1"),
    "rouge_2": ("R-2", "ROUGE-2"),
    "rouge_l": ("R-L", "ROUGE-L"),
    "bertscore": ("BERTScore", "BERTScore"),
    "ef1": ("EF1", "Entity F1"),
    "ec_exact": ("EC exact", "Entity coverage, exact"),
    "ec_partial": ("EC partial", "Entity coverage, partial"),
    "ecooc_0": ("ECooc 0", "Entity co-occurrence, same sentence"),
    "ecooc_1": ("ECooc 1", "Entity co-occurrence, one sentence around"),
    "ecooc_2": ("ECooc 2", "Entity co-occurrence, two sentences around"),
    "ecooc_inf": ("ECooc ∞", "Entity co-occurrence, whole text"),
    "length": ("Length", "Length in tokens"),
    "length_penalty": ("LP", "Length penalty"),
}

# What says how an answer is, and not how good it is: nobody leads by it.
_NEUTRAL = frozenset({"length", "length_penalty"})

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
    short, long = _NAMES.get(name, (name, name))
    counted = math.isinf(METRICS[name].max_value)
    return MetricWords(
        name=name,
        short=short,
        long=long,
        meaning=METRICS[name].description,
        unit="tokens" if counted else "points",
        digits=1 if counted else 2,
        ranks=name not in _NEUTRAL,
    )


def headline(metrics: tuple[str, ...]) -> str:
    """The metric that is shown first; empty where there is none."""
    return next((name for name in _HEADLINES if name in metrics), metrics[0] if metrics else "")
