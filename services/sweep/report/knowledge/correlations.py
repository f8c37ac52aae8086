"""How the metrics go together: Spearman's rank correlation over answers.

Ranks of equal values are averaged, and each pair of metrics is correlated over the answers at which
both have a value. Correlations are taken within each contender and setting, and their mean is
reported: over all answers together they would mostly say that some models are better than others.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.sweep.report.evidence import SETTINGS, Evidence
from services.sweep.report.knowledge.model import Correlations
from services.sweep.results.stored_columns import Indices, Mask

_Floats = npt.NDArray[np.float64]


def correlations(evidence: Evidence) -> Correlations | None:
    """Correlates the metrics of all scored answers; none where nothing is scored."""
    rows: Indices = np.flatnonzero(evidence.is_scored)
    if not len(rows) or not evidence.metrics:
        return None
    values = np.stack([evidence.values(metric)[rows] for metric in evidence.metrics], axis=1)
    groups = evidence.contender[rows].astype(np.int64) * len(SETTINGS) + evidence.setting[rows]
    return Correlations(
        metrics=evidence.metrics,
        values=mean_correlations(values, groups),
        answers=len(rows),
    )


def mean_correlations(values: _Floats, groups: Indices) -> tuple[tuple[float | None, ...], ...]:
    """Means of the groups' rank correlations, weighted by the rows at which both have a value.

    Args:
        values: A row an answer, a column a metric; not a number where there is no value.
        groups: The group of each row, any numbers.

    Returns:
        A row and a column a metric; none where one of the two varies in no group.
    """
    count = values.shape[1]
    sums, weights = np.zeros((count, count)), np.zeros((count, count))
    order = np.argsort(groups, kind="stable")
    bounds = np.flatnonzero(np.diff(groups[order])) + 1
    for rows in np.split(order, bounds):
        for found in _blocks(values[rows]):
            is_defined = ~np.isnan(found.coefficients)
            cells = np.ix_(found.rows, found.columns)
            sums[cells] += np.where(is_defined, found.coefficients, 0.0) * found.answers
            weights[cells] += is_defined * float(found.answers)
    return tuple(
        tuple(
            total / weight if weight else None
            for total, weight in zip(own_sums, own_weights, strict=True)
        )
        for own_sums, own_weights in zip(sums.tolist(), weights.tolist(), strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """Correlations of some metrics with others, all over the same answers.

    Attributes:
        rows: Metrics of the rows.
        columns: Metrics of the columns.
        coefficients: Spearman's coefficients; not a number where one never varies.
        answers: How many answers they are over.
    """

    rows: Indices
    columns: Indices
    coefficients: _Floats
    answers: int


def _blocks(values: _Floats) -> Iterator[_Block]:
    """Correlates every two columns; those that have values at the same rows together."""
    is_known = ~np.isnan(values)
    orders = np.argsort(values, axis=0, kind="stable")
    alike: dict[bytes, list[int]] = {}
    for number, column in enumerate(is_known.T):
        alike.setdefault(column.tobytes(), []).append(number)
    members = [np.array(numbers, np.int64) for numbers in alike.values()]
    for first, rows in enumerate(members):
        for second in range(first, len(members)):
            columns = members[second]
            chosen: Mask = is_known[:, rows[0]] & is_known[:, columns[0]]
            left = _normed_ranks(values, orders, rows, chosen)
            if first == second:
                found = _products(left, left)
                np.fill_diagonal(found, np.where(np.isnan(np.diag(found)), np.nan, 1.0))
                yield _Block(rows, rows, found, int(chosen.sum()))
                continue
            found = _products(left, _normed_ranks(values, orders, columns, chosen))
            yield _Block(rows, columns, found, int(chosen.sum()))
            yield _Block(columns, rows, found.T, int(chosen.sum()))


def _products(left: _Floats, right: _Floats) -> _Floats:
    found: _Floats = np.clip(left.T @ right, -1.0, 1.0)
    return found


def _normed_ranks(values: _Floats, orders: Indices, columns: Indices, chosen: Mask) -> _Floats:
    """Ranks of the chosen rows, around 0 and of length 1; not numbers where all are equal."""
    count = int(chosen.sum())
    normed = np.full((count, len(columns)), np.nan)
    place = np.cumsum(chosen) - 1
    for number, column in enumerate(columns.tolist()):
        order = orders[:, column]
        order = order[chosen[order]]
        ordered = values[order, column]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[:count])
        if len(starts) < 2:  # noqa: PLR2004 - nothing varies
            continue
        ends = np.append(starts[1:], count)
        # Average ranks from 0; those of n rows have the mean (n - 1) / 2, ties or not.
        centred = (starts + ends - 1) / 2 - (count - 1) / 2
        ranks = np.repeat(centred, ends - starts)
        normed[place[order], number] = ranks / np.sqrt(ranks @ ranks)
    return normed
