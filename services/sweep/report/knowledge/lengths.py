"""Entity coverage against length: whether who says more names more."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from services.sweep.report.evidence import SETTINGS, Evidence
from services.sweep.report.knowledge.model import LengthBin, LengthCurve

_LENGTH = "length"
_COVERAGE = "ec_exact"
_BINS = 10

_Floats = npt.NDArray[np.float64]


def length_curves(evidence: Evidence) -> tuple[LengthCurve, ...]:
    """Mean entity coverage (exact) of short to long answers, by contender and setting.

    Bins are the deciles of each group's own lengths in tokens. Only answers that have both values
    count; there is no curve without them.
    """
    if not {_LENGTH, _COVERAGE} <= set(evidence.metrics):
        return ()
    return tuple(_curves(evidence, evidence.values(_LENGTH), evidence.values(_COVERAGE)))


def _curves(evidence: Evidence, lengths: _Floats, values: _Floats) -> Iterator[LengthCurve]:
    has_both = ~np.isnan(lengths) & ~np.isnan(values)
    for contender in range(len(evidence.contenders)):
        for setting in SETTINGS:
            rows = evidence.rows(contender, setting)
            rows = rows[has_both[rows]]
            if len(rows):
                yield LengthCurve(contender, setting, length_bins(lengths[rows], values[rows]))


def length_bins(lengths: _Floats, values: _Floats) -> tuple[LengthBin, ...]:
    """Means of values in bins of equally many answers, as far as equal lengths stay together.

    Args:
        lengths: Length of each answer; at least one.
        values: Value of each answer.
    """
    # Lengths that occur, so that a bin ends with one; of equal ones there is one bin.
    ends = np.quantile(lengths, np.arange(1, _BINS) / _BINS, method="inverted_cdf")
    number = np.searchsorted(np.unique(ends), lengths, side="left")
    counts = np.bincount(number)
    length_sums, value_sums = np.bincount(number, lengths), np.bincount(number, values)
    return tuple(
        LengthBin(length=length / count, value=value / count, answers=count)
        for length, value, count in zip(
            length_sums.tolist(), value_sums.tolist(), counts.tolist(), strict=True
        )
        if count
    )
