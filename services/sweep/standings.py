"""What a leaderboard says: numbers for each model, setting and part of the test."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.benchmark.records import Setting
from services.metrics.registry import METRICS

# The row over all parts; the other rows are named by the parts themselves.
ALL_PARTS = "all"


@dataclass(frozen=True, slots=True)
class MetricStanding:
    """One metric over one group of questions; values as the metric gives them, mostly 0 to 1.

    Attributes:
        mean: Macro mean over the scorable questions; none where there is none.
        corpus_value: The value from summed statistics: corpus BLEU, micro means; may be none.
        corpus_signature: Its signature; none where the metric has no such value.
        mean_with_zeros: The mean in which questions whose reference has no entity pairs count as
            0; none where the metric knows no such questions.
        scored_count: Questions that the mean is taken over.
        unscorable_counts: Questions left out of it, by reason.
        signature: Signature of the mean.
    """

    mean: float | None
    corpus_value: float | None
    corpus_signature: str | None
    mean_with_zeros: float | None
    scored_count: int
    unscorable_counts: Mapping[str, int]
    signature: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One row of a leaderboard.

    Attributes:
        model: How tables name the model.
        revision: Revision of its weights.
        setting: With Title or Without Title.
        part: ``seen``, ``unseen`` or ``all``.
        planned: Questions in all.
        scored: Questions with an explanation and its scores; the others are failed or pending.
        failed: Questions whose generation or scoring failed, or that have no picture.
        pending: Questions without a result yet.
        truncated: Scored questions whose explanation was cut off by the token limit.
        unscorable: Scored questions for which at least one metric has no value.
        metrics: The metrics, in the order of the published tables.
    """

    model: str
    revision: str
    setting: Setting
    part: str
    planned: int
    scored: int
    failed: int
    pending: int
    truncated: int
    unscorable: int
    metrics: Mapping[str, MetricStanding]


def reported(metric: str, value: float | None) -> float | None:
    """A metric's value as reports show it: shares times 100, counts such as length as they are."""
    if value is None or math.isinf(METRICS[metric].max_value):
        return value
    return value * 100


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The results of a sweep, as far as it has come.

    Attributes:
        standings: The rows: models in the order of the spec, then settings, then parts.
        metrics: Names of the metrics, in the order of the published tables.
        failures: Failed questions by reason.
        to_ask_again: How many of these failed for a reason that may pass; the next run asks them
            again.
    """

    standings: tuple[Standing, ...]
    metrics: tuple[str, ...]
    failures: Mapping[str, int]
    to_ask_again: int

    @property
    def pending(self) -> int:
        """Questions without a result yet, over all models."""
        return sum(standing.pending for standing in self.standings if standing.part == ALL_PARTS)
