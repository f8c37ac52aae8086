"""The metrics by name, in the order in which scores are returned."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from services.core.errors import MetricNotFoundError
from services.metrics.analysis import ScoringInput
from services.metrics.bertscore import BERTSCORE_METRICS, no_encoder
from services.metrics.bleu import BLEU_METRICS
from services.metrics.entity_cooccurrence import ENTITY_COOCCURRENCE_METRICS
from services.metrics.entity_coverage import ENTITY_COVERAGE_METRICS
from services.metrics.entity_f1 import ENTITY_F1_METRICS
from services.metrics.length import LENGTH_METRICS, LENGTH_PENALTY_METRICS
from services.metrics.lists import list_of_strings
from services.metrics.metric import Metric
from services.metrics.options import ScoringOptions
from services.metrics.outcome import Score, Unscorable
from services.metrics.rouge import ROUGE_METRICS

_Compute = Callable[[ScoringInput], tuple[float | Unscorable, tuple[float, ...]]]

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            *BLEU_METRICS,
            *ROUGE_METRICS,
            *BERTSCORE_METRICS,
            *ENTITY_F1_METRICS,
            *ENTITY_COVERAGE_METRICS,
            *ENTITY_COOCCURRENCE_METRICS,
            *LENGTH_PENALTY_METRICS,
            *LENGTH_METRICS,
        )
    }
)
"""Every metric, in the column order of the published tables."""

DEFAULT_METRICS: tuple[str, ...] = tuple(
    name for name, metric in METRICS.items() if metric.is_default(ScoringOptions())
)
"""Names of the metrics that are computed when nobody names any, and there is no encoder."""


def find_metrics(names: Iterable[str], options: ScoringOptions | None = None) -> tuple[Metric, ...]:
    """Finds metrics by name, in the order of the names; the default ones for no name.

    Args:
        names: The names; may be empty.
        options: Says by its ``encoder`` whether BERTScore is among the default metrics and may be
            named; by default there is none.

    Raises:
        InvalidRequestError: The names are one string instead of a list.
        MetricNotFoundError: No metric has one of the names.
        MetricUnavailableError: A metric needs an encoder, and there is none.
    """
    options = options or ScoringOptions()
    names = list_of_strings("metrics", names)
    for name in names:
        if name not in METRICS:
            known = ", ".join(METRICS)
            raise MetricNotFoundError(
                f"no metric is named {name[:80]!r}; there are {known}", metric=name[:80]
            )
        if not METRICS[name].is_available(options):
            raise no_encoder()
    return tuple(METRICS[n] for n in names) or tuple(
        metric for metric in METRICS.values() if metric.is_default(options)
    )


def score_all(item: ScoringInput, metrics: Iterable[str] = ()) -> tuple[Score, ...]:
    """Scores one explanation by several metrics, analysing its texts once.

    Args:
        item: The texts.
        metrics: Names of the metrics; the default ones if empty, with BERTScore among them where
            the item has an encoder.

    Returns:
        One score a metric, in the order of the names, or of ``METRICS`` where none was given.

    Raises:
        InvalidRequestError: The names are one string instead of a list.
        MetricNotFoundError: No metric has one of the names.
        MetricUnavailableError: BERTScore is named, and the item has no encoder.

    >>> item = ScoringInput("By Leonardo.", "By Leonardo da Vinci.", ["Leonardo"])
    >>> [(s.metric, s.value) for s in score_all(item, ["ec_exact", "length"])]
    [('ec_exact', 1.0), ('length', 3.0)]
    """
    signed = _signed_metrics(list_of_strings("metrics", metrics), item.options)
    return tuple(Score(name, *compute(item), signature) for name, compute, signature in signed)


@lru_cache(maxsize=256)
def _signed_metrics(
    names: tuple[str, ...], options: ScoringOptions
) -> tuple[tuple[str, _Compute, str], ...]:
    """What scoring needs of the metrics; the same few sets are asked for again and again."""
    found = find_metrics(names, options)
    return tuple((metric.name, metric.compute, metric.sign(options)) for metric in found)
