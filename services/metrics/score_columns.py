"""Scores of very many explanations as arrays: the same means as :mod:`services.metrics.statistics`.

A score object for each of a few hundred thousand explanations and a dozen metrics takes minutes
and gigabytes; arrays take seconds and megabytes.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from services.metrics.outcome import Score, Unscorable, UnscorableReason
from services.metrics.registry import METRICS
from services.metrics.statistics import Aggregate, NoPairsConvention, mean_signature

SCORABLE = -1
"""Stands among the reasons where there is a value."""

REASONS: tuple[UnscorableReason, ...] = tuple(UnscorableReason)
"""The reasons by their numbers in :attr:`ScoreColumns.reasons`."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """One metric's scores under one signature, one row an explanation.

    Attributes:
        metric: The metric's name.
        signature: Signature of all the scores.
        values: Values; 0 where there is none.
        reasons: :data:`SCORABLE`, or the number of the reason why there is no value.
        statistics: Sufficient statistics, a column each, in the order of the metric's names.
    """

    metric: str
    signature: str
    values: npt.NDArray[np.float64]
    reasons: npt.NDArray[np.int8]
    statistics: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """How many scores there are."""
        return len(self.values)

    @property
    def is_scorable(self) -> npt.NDArray[np.bool_]:
        """Which rows have a value."""
        found: npt.NDArray[np.bool_] = self.reasons == SCORABLE
        return found

    def averaged_by(self, groups: Indices) -> Self:
        """Means within groups, such as the replicates of one question; one row a group.

        A group's value and statistics are means over its rows that have a value. Where none has,
        the group takes the reason of its first row.

        Args:
            groups: The group of each row, any numbers. The result is in their ascending order.
        """
        numbers, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
        if len(numbers) == len(groups):
            order = first
            return type(self)(
                self.metric,
                self.signature,
                self.values[order],
                self.reasons[order],
                self.statistics[order],
            )
        weights = self.is_scorable.astype(np.float64)
        counts = np.bincount(inverse, weights, minlength=len(numbers))
        some = np.maximum(counts, 1.0)

        def mean(column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            sums = np.bincount(inverse, column * weights, minlength=len(numbers))
            result: npt.NDArray[np.float64] = sums / some
            return result

        statistics = np.empty((len(numbers), self.statistics.shape[1]), np.float64)
        for place in range(statistics.shape[1]):
            statistics[:, place] = mean(self.statistics[:, place])
        reasons = np.where(counts > 0, np.int8(SCORABLE), self.reasons[first]).astype(np.int8)
        return type(self)(self.metric, self.signature, mean(self.values), reasons, statistics)

    def scores(self) -> tuple[Score, ...]:
        """The same as objects, for a few of them."""
        return tuple(
            Score(
                self.metric,
                value if reason == SCORABLE else Unscorable(REASONS[reason]),
                tuple(statistics),
                self.signature,
            )
            for value, reason, statistics in zip(
                self.values.tolist(), self.reasons.tolist(), self.statistics.tolist(), strict=True
            )
        )


def aggregate_columns(
    columns: ScoreColumns, no_pairs: NoPairsConvention = NoPairsConvention.LEAVE_OUT
) -> Aggregate:
    """Aggregates as :func:`services.metrics.statistics.aggregate` does, to the last bit.

    Args:
        columns: At least one row.
        no_pairs: What becomes of items whose reference has no pair of entities.

    Raises:
        ValueError: There is no row, or a number that is not finite, or not as many statistics as
            the metric has.
    """
    metric = METRICS[columns.metric]
    if not len(columns):
        raise ValueError("there is no score to aggregate")
    if columns.statistics.shape[1] != len(metric.statistic_names):
        raise ValueError(
            f"the scores of {columns.metric} have {columns.statistics.shape[1]} statistics instead "
            f"of {len(metric.statistic_names)}"
        )
    if not (np.isfinite(columns.values).all() and np.isfinite(columns.statistics).all()):
        raise ValueError(f"the scores of {columns.metric} have a number that is not finite")
    is_scored = columns.is_scorable
    left_out = Counter(
        {
            reason: count
            for number, reason in enumerate(REASONS)
            if (count := int(np.count_nonzero(columns.reasons == number)))
        }
    )
    count = int(np.count_nonzero(is_scored))
    if no_pairs is NoPairsConvention.COUNT_AS_ZERO:
        count += left_out.pop(UnscorableReason.NO_REFERENCE_PAIRS, 0)
    sums = tuple(math.fsum(column.tolist()) for column in columns.statistics.T)
    by_name = dict(zip(metric.statistic_names, sums, strict=True)) if count else {}
    corpus = metric.corpus_value
    return Aggregate(
        metric=columns.metric,
        signature=mean_signature(columns.signature, no_pairs),
        mean=math.fsum(columns.values[is_scored].tolist()) / count if count else None,
        precision=by_name["precision"] / count if "precision" in by_name else None,
        recall=by_name["recall"] / count if "recall" in by_name else None,
        corpus_value=corpus(sums) if corpus is not None and count else None,
        corpus_signature=None if corpus is None else metric.sign_corpus(columns.signature),
        scored_count=count,
        unscorable_counts=dict(left_out),
        statistics=sums,
    )
