"""What a metric is: its description and its two functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.metrics.analysis import ScoringInput
from services.metrics.options import ScoringOptions
from services.metrics.outcome import Score, Unscorable, UnscorableReason


def sign_micro(signature: str) -> str:
    """Signs a value that is computed as a score is, but from sums over all items."""
    return f"{signature}|mean:micro"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as the registry lists it.

    Attributes:
        name: Its name, such as ``ec_exact``.
        description: One sentence saying what it measures.
        statistic_names: Names of its sufficient statistics, in order. Most are counts, which make
            sense in sums; those named ``precision`` and ``recall`` are values of the item, and
            make sense in means over the scored items.
        compute: Gives the outcome and the statistics of an item.
        sign: Gives its signature under the given options.
        corpus_value: Gives the value of a corpus from summed statistics; None where it has none,
            and answering None where the sums do not define one.
        sign_corpus: Gives that value's signature from the signature of the scores.
        min_value: Least possible value.
        max_value: Greatest possible value; infinity where there is none.
        default: Whether it is computed when nobody names a metric.
        needs_encoder: Whether it needs a text encoder. Where there is none it is unavailable, and
            no default.
    """

    name: str
    description: str
    statistic_names: tuple[str, ...]
    compute: Callable[[ScoringInput], tuple[float | Unscorable, tuple[float, ...]]]
    sign: Callable[[ScoringOptions], str]
    corpus_value: Callable[[Sequence[float]], float | None] | None
    sign_corpus: Callable[[str], str] = sign_micro
    min_value: float = 0.0
    max_value: float = 1.0
    default: bool = True
    needs_encoder: bool = False

    def is_available(self, options: ScoringOptions) -> bool:
        """Whether it can be computed with what the options name."""
        return bool(options.encoder) or not self.needs_encoder

    def is_default(self, options: ScoringOptions) -> bool:
        """Whether it is computed when nobody names a metric."""
        return self.default and self.is_available(options)

    def score(self, item: ScoringInput) -> Score:
        """Scores one item."""
        outcome, statistics = self.compute(item)
        return Score(self.name, outcome, statistics, self.sign(item.options))


def unscorable(
    reason: UnscorableReason, statistic_names: tuple[str, ...]
) -> tuple[Unscorable, tuple[float, ...]]:
    """The answer of a metric that is not defined for an item: statistics that add nothing."""
    return Unscorable(reason), (0.0,) * len(statistic_names)


def ratio(numerator: float, denominator: float) -> float | None:
    """The quotient, or None where the denominator is 0."""
    return numerator / denominator if denominator else None
