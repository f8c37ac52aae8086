"""From the scores of many explanations to the numbers of a report."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.metrics.exact_sum import ExactSum
from services.metrics.options import NoPairsRule, rule_of
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
        precision: Macro mean of the items' precisions, over the same items; None where there is
            none, or the metric has no precision.
        recall: The same of their recalls.
        corpus_value: The value computed from the summed statistics (micro mean, corpus BLEU);
            None where the metric has none or nothing was scored.
        corpus_signature: Signature of the corpus value, which is computed by rules of its own:
            ``mean:micro``, or ``mean:corpus`` and no effective order for BLEU. The convention for
            items without pairs is always the same in it: they add nothing to the sums either way.
            None where the metric has no corpus value.
        scored_count: How many items the mean is taken over.
        unscorable_counts: How many items were left out of it, by reason.
        statistics: Sums of the sufficient statistics, in the order of the metric's names.
    """

    metric: str
    signature: str
    mean: float | None
    precision: float | None
    recall: float | None
    corpus_value: float | None
    corpus_signature: str | None
    scored_count: int
    unscorable_counts: Mapping[UnscorableReason, int]
    statistics: tuple[float, ...]


class Aggregation:
    """Aggregates one metric's scores as they come, in memory that does not grow with their number.

    The result does not depend on their order: every sum is exact before it is rounded once.

    Args:
        no_pairs: What becomes of items whose reference has no pair of entities. The convention
            enters the aggregate's signature. It is about scores by which such items are
            unscorable; where the scoring options made them 0 already, they stay so.

    Raises:
        InvalidRequestError: There is no such convention.

    >>> from services.metrics import ScoringInput, score_all
    >>> running = Aggregation()
    >>> for candidate in ("In Paris.", "In Rome.", "In Paris and in Rome."):
    ...     [score] = score_all(ScoringInput(candidate, "Paris, Rome", ["Paris", "Rome"]), ["ef1"])
    ...     running.add(score)
    >>> found = running.result()
    >>> round(found.mean, 4), found.precision, round(found.recall, 4), found.scored_count
    (0.7778, 1.0, 0.6667, 3)
    """

    def __init__(self, no_pairs: NoPairsConvention = NoPairsConvention.LEAVE_OUT) -> None:
        self._no_pairs = rule_of(NoPairsConvention, "no_pairs", no_pairs)
        self._first: Score | None = None
        self._value = ExactSum()
        self._statistics: tuple[ExactSum, ...] = ()
        self._scored_count = 0
        self._left_out: Counter[UnscorableReason] = Counter()

    def add(self, score: Score) -> None:
        """Takes in one score.

        Raises:
            ValueError: It is of no known metric, has a number that is not finite or not as many
                statistics as its metric, or differs in metric or signature from those before.
                Nothing is taken in then.
        """
        _check(score)
        first = self._first
        if first is None:
            self._first = score
            self._statistics = tuple(ExactSum() for _ in score.statistics)
        elif (score.metric, score.signature) != (first.metric, first.signature):
            raise ValueError(
                f"scores of different kinds cannot be averaged: {first.signature} and "
                f"{score.signature}"
            )
        for total, statistic in zip(self._statistics, score.statistics, strict=True):
            total.add(statistic)
        outcome = score.outcome
        if not isinstance(outcome, Unscorable):
            self._value.add(outcome)
            self._scored_count += 1
        elif (
            outcome.reason is UnscorableReason.NO_REFERENCE_PAIRS
            and self._no_pairs is NoPairsConvention.COUNT_AS_ZERO
        ):
            self._scored_count += 1
        else:
            self._left_out[outcome.reason] += 1

    def result(self) -> Aggregate:
        """Aggregates what was added so far; more may follow.

        Raises:
            ValueError: Nothing was.
        """
        first = self._first
        if first is None:
            raise ValueError("there is no score to aggregate")
        metric, count = METRICS[first.metric], self._scored_count
        sums = tuple(total.value for total in self._statistics)
        corpus = metric.corpus_value
        by_name = dict(zip(metric.statistic_names, sums, strict=True)) if count else {}
        return Aggregate(
            metric=first.metric,
            signature=mean_signature(first.signature, self._no_pairs),
            mean=self._value.value / count if count else None,
            precision=by_name["precision"] / count if "precision" in by_name else None,
            recall=by_name["recall"] / count if "recall" in by_name else None,
            corpus_value=corpus(sums) if corpus is not None and count else None,
            corpus_signature=None if corpus is None else metric.sign_corpus(first.signature),
            scored_count=count,
            unscorable_counts=dict(self._left_out),
            statistics=sums,
        )


def aggregate(
    scores: Iterable[Score], no_pairs: NoPairsConvention = NoPairsConvention.LEAVE_OUT
) -> Aggregate:
    """Aggregates one metric's scores; see :class:`Aggregation`.

    Args:
        scores: At least one; all of one metric and one signature. They are read once.
        no_pairs: What becomes of items whose reference has no pair of entities.

    Raises:
        ValueError: There is no score, or they differ in metric or signature.
    """
    aggregation = Aggregation(no_pairs)
    for score in scores:
        aggregation.add(score)
    return aggregation.result()


def _check(score: Score) -> None:
    what = f"the score of {score.metric} ({score.signature})"
    if score.metric not in METRICS:
        raise ValueError(f"{what} is of no metric that there is: {', '.join(METRICS)}")
    expected = len(METRICS[score.metric].statistic_names)
    if len(score.statistics) != expected:
        raise ValueError(f"{what} has {len(score.statistics)} statistics instead of {expected}")
    numbers = score.statistics if score.value is None else (score.value, *score.statistics)
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{what} has a number that is not finite: {numbers}")


def mean_signature(signature: str, no_pairs: NoPairsConvention) -> str:
    """Signs the macro mean of scores that all have this signature."""
    if no_pairs is NoPairsConvention.COUNT_AS_ZERO:
        signature = signature.replace(
            f"|nopairs:{NoPairsRule.UNSCORABLE}|", f"|nopairs:{NoPairsRule.ZERO}|"
        )
    return f"{signature}|mean:macro"
