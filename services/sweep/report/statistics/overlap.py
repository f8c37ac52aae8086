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
        sets: dict[bytes, Sample] = {}
        for sample in samples:
            sets.setdefault(sample.questions.tobytes(), sample)
        numbers = {questions: number for number, questions in enumerate(sets)}
        self.sets = [numbers[sample.questions.tobytes()] for sample in samples]
        self._samples = samples
        self._found: dict[tuple[int, int], Overlap] = {}
        # A row a set, a column a question: looking each up elsewhere takes several times as long,
        # and there are tens of thousands of pairs.
        count = max((int(sample.questions.max(initial=-1)) for sample in samples), default=-1) + 1
        self._holds: _Mask = np.zeros((len(sets), count), np.bool_)
        for number, sample in enumerate(sets.values()):
            self._holds[number, sample.questions] = True

    def between(self, first: int, second: int) -> Overlap:
        """Finds what two samples share, given their places."""
        key = self.sets[first], self.sets[second]
        if key not in self._found:
            one, other = self._samples[first], self._samples[second]
            in_first = self._holds[key[1], one.questions]
            in_second = self._holds[key[0], other.questions]
            artworks = one.artworks[in_first]
            self._found[key] = Overlap(
                artworks,
                int(np.count_nonzero(np.bincount(artworks))),
                None if in_first.all() else in_first,
                None if in_second.all() else in_second,
            )
        return self._found[key]
