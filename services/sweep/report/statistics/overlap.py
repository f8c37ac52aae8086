"""Which questions two samples share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.sweep.report.statistics.samples import Floats, Indices, Sample

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """The questions that two samples share.

    Attributes:
        artworks: Their artworks, one a question.
        artwork_count: How many different ones these are.
        in_first: Which rows of the first sample they are; none where they are all of it.
        in_second: The same of the second.
    """

    artworks: Indices
    artwork_count: int
    in_first: _Mask | None
    in_second: _Mask | None

    def differences(self, first: Sample, second: Sample) -> Floats:
        """First minus second, question by question."""
        one = first.values if self.in_first is None else first.values[self.in_first]
        other = second.values if self.in_second is None else second.values[self.in_second]
        return one - other


class Overlaps:
    """Finds what pairs of samples share; those with equal questions are looked at once.

    Args:
        samples: The samples, known by their places from then on.

    Attributes:
        sets: For each sample the number of its set of questions, from 0 up: samples with equal
            questions have the same.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        numbers: dict[bytes, int] = {}
        self.sets = [
            numbers.setdefault(sample.questions.tobytes(), len(numbers)) for sample in samples
        ]
        self._samples = samples
        self._found: dict[tuple[int, int], Overlap] = {}

    def between(self, first: int, second: int) -> Overlap:
        """Finds what two samples share, given their places."""
        key = self.sets[first], self.sets[second]
        if key not in self._found:
            self._found[key] = _overlap(self._samples[first], self._samples[second])
        return self._found[key]


def _overlap(first: Sample, second: Sample) -> Overlap:
    in_first, in_second = _among(first, second), _among(second, first)
    artworks = first.artworks[in_first]
    return Overlap(
        artworks,
        int(np.count_nonzero(np.bincount(artworks))),
        None if in_first.all() else in_first,
        None if in_second.all() else in_second,
    )


def _among(one: Sample, other: Sample) -> _Mask:
    """Which questions of one sample another has, too."""
    # Questions are numbered from 0 up without great gaps, and NumPy's own way takes three times as
    # long: there are tens of thousands of pairs.
    is_there = np.zeros(1 + max(sample.questions.max(initial=-1) for sample in (one, other)), bool)
    is_there[other.questions] = True
    found: _Mask = is_there[one.questions]
    return found
