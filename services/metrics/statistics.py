"""From the scores of many explanations to the numbers of a report."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.metrics.outcome import Score, Unscorable, UnscorableReason
from services.metrics.registry import METRICS


class NoPairsConvention(StrEnum):
    """What becomes of items whose reference has no pair of entities. Both are in use."""

    LEAVE_OUT = "leave_out"
    """They are left out of the mean and counted apart: the headline."""

    COUNT_AS_ZERO = "count_as_zero"
    """They count as 0."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One metric over a set of explanations.

    Attributes:
        metric: The metric's name.
        signature: Signature of the mean: that of all the scores, the convention for items without
            pairs, and ``mean:macro``.
        mean: Macro mean over the scored items; None where there is none.
        corpus_value: The value computed from the summed statistics (micro mean, corpus BLEU);
            None where the metric has none or nothing was scored.
        corpus_signature: Signature of the corpus value, which is computed by rules of its own:
            ``mean:micro``, or ``mean:corpus`` and no effective order for BLEU. The convention for
            items without pairs is not in it: they add nothing to the sums either way. None where
            the metric has no corpus value.
        scored_count: How many items the mean is taken over.
        unscorable_counts: How many items were left out of it, by reason.
        statistics: Sums of the sufficient statistics, in the order of the metric's names.
    """

    metric: str
    signature: str
    mean: float | None
    corpus_value: float | None
    corpus_signature: str | None
    scored_count: int
    unscorable_counts: Mapping[UnscorableReason, int]
    statistics: tuple[float, ...]


def aggregate(
    scores: Iterable[Score], no_pairs: NoPairsConvention = NoPairsConvention.LEAVE_OUT
) -> Aggregate:
    """Aggregates one metric's scores.

    Args:
        scores: At least one; all of one metric and one signature.
        no_pairs: What becomes of items whose reference has no pair of entities. The convention
            enters the aggregate's signature.

    Raises:
        ValueError: There is no score, or they differ in metric or signature.
    """
    listed = list(scores)
    if not listed:
        raise ValueError("there is no score to aggregate")
    first = listed[0]
    for score in listed:
        if (score.metric, score.signature) != (first.metric, first.signature):
            raise ValueError(
                f"scores of different kinds cannot be averaged: {first.signature} and "
                f"{score.signature}"
            )
    values: list[float] = []
    left_out: Counter[UnscorableReason] = Counter()
    zero = no_pairs is NoPairsConvention.COUNT_AS_ZERO
    for score in listed:
        if not isinstance(score.outcome, Unscorable):
            values.append(score.outcome)
        elif zero and score.outcome.reason is UnscorableReason.NO_REFERENCE_PAIRS:
            values.append(0.0)
        else:
            left_out[score.outcome.reason] += 1
    sums = tuple(map(math.fsum, zip(*(score.statistics for score in listed), strict=True)))
    metric = METRICS[first.metric]
    corpus = metric.corpus_value
    return Aggregate(
        metric=first.metric,
        signature=_sign(first.signature, no_pairs),
        mean=math.fsum(values) / len(values) if values else None,
        corpus_value=corpus(sums) if corpus is not None and values else None,
        corpus_signature=None if corpus is None else metric.sign_corpus(first.signature),
        scored_count=len(values),
        unscorable_counts=dict(left_out),
        statistics=sums,
    )


def _sign(signature: str, no_pairs: NoPairsConvention) -> str:
    if no_pairs is NoPairsConvention.COUNT_AS_ZERO:
        signature = signature.replace("|nopairs:unscorable", "|nopairs:zero")
    return f"{signature}|mean:macro"
