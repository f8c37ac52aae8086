"""Scores of questions, and their totals for each artwork."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

# Bits of a float that totals may fill; one of the 53 stays free for what rounding adds.
_BITS = 52

# Below this a grid's steps could not be told from 0.
_LEAST_EXPONENT = -900


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One metric's scores of one contender in one setting and part, a value a question.

    Attributes:
        questions: Numbers of the questions, ascending; the same number is the same question in
            every sample, and its artwork is the same too.
        artworks: Number of each question's artwork, from 0 up.
        values: Values; all of them finite.
        statistics: Sufficient statistics, a row a question; read for micro values only.

    Raises:
        ValueError: The arrays are not of one length, questions are not ascending, or a number is
            not finite.
    """

    questions: Indices
    artworks: Indices
    values: Floats
    statistics: Floats

    def __post_init__(self) -> None:
        """Refuses what would give wrong numbers without a word."""
        lengths = {len(self.questions), len(self.artworks), len(self.values), len(self.statistics)}
        if len(lengths) > 1:
            raise ValueError(f"the arrays of a sample differ in length: {sorted(lengths)}")
        if (np.diff(self.questions) <= 0).any():
            raise ValueError("the questions of a sample are not ascending")
        if not (np.isfinite(self.values).all() and np.isfinite(self.statistics).all()):
            raise ValueError("a sample has a number that is not finite")

    def __len__(self) -> int:
        """How many questions there are."""
        return len(self.questions)

    @property
    def mean(self) -> float | None:
        """The mean, rounded once; none of nothing."""
        return math.fsum(self.values.tolist()) / len(self) if len(self) else None

    @property
    def artwork_count(self) -> int:
        """How many artworks the questions are about."""
        return int(np.count_nonzero(np.bincount(self.artworks)))


@dataclass(frozen=True, slots=True, eq=False)
class Gridded:
    """Values rounded to a grid on which their sums are exact.

    Attributes:
        values: Multiples of a power of two.
        uncertainty: How far any sum of some of them may be from that of the values themselves.
    """

    values: Floats
    uncertainty: float


def gridded(values: Floats, times: int) -> Gridded:
    """Rounds values to the finest grid on which their sums are exact.

    A sum of floats depends on its order, and a product of matrices on how a library divides it
    up; so would every interval and every tie of a test. A sum of multiples of one power of two
    that stays below 2**53 of them is exact in any order. The rounding changes a mean by some
    1e-12 of the greatest values, which shows in no report.

    Args:
        values: Finite numbers.
        times: How often one value stands in a sum at most, whatever its sign.
    """
    greatest = times * float(np.abs(values).sum())
    if not greatest:
        return Gridded(values, 0.0)
    step = math.ldexp(1.0, max(math.frexp(greatest)[1], _LEAST_EXPONENT) - _BITS)
    rounded = np.rint(values / step) * step
    moved = float(np.abs(rounded - values).sum())
    return Gridded(rounded, moved + 2 * step)


def totals_by_artwork(artworks: Indices, values: Floats, artwork_count: int) -> Floats:
    """Sums values for each artwork."""
    return np.bincount(artworks, values, minlength=artwork_count).astype(np.float64, copy=False)


def questions_by_artwork(artworks: Indices, artwork_count: int) -> Floats:
    """Counts questions for each artwork."""
    return np.bincount(artworks, minlength=artwork_count).astype(np.float64)
