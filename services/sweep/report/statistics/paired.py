"""Differences of the means of two samples over the questions that both have.

A difference is taken question by question, and summed for each artwork. The interval comes from
the resampled artworks, the p-value from a sign-flip test.

Many pairs share few samples. So what the draws make of each sample is summed once, and the
differences of the sums are those of the pairs; where two samples have not all their questions in
common, the few others are summed apart and taken off.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from services.sweep.report.model import Contrast
from services.sweep.report.statistics.draws import Draws
from services.sweep.report.statistics.estimates import BATCH, LEAST_ARTWORKS, percentile_interval
from services.sweep.report.statistics.overlap import Overlaps
from services.sweep.report.statistics.samples import (
    Floats,
    Indices,
    Sample,
    gridded,
    questions_by_artwork,
    totals_by_artwork,
)
from services.sweep.report.statistics.sign_test import sign_test

# Pairs whose sums over what they have not in common are held at a time: those of 32 contenders,
# 240 MB of 10,000 resamples where each of them lacks other answers.
PAIRS = 512

_Pair = tuple[int, int]


def paired_contrasts(
    draws: Draws, samples: Sequence[Sample], pairs: Sequence[_Pair]
) -> list[Contrast]:
    """Contrasts the first sample of each pair with the second."""
    found: list[Contrast] = []
    for some in _batches(pairs):
        places = {
            place: number for number, place in enumerate(dict.fromkeys(chain.from_iterable(some)))
        }
        batch = _Batch(draws, [samples[place] for place in places])
        found += batch.contrasts([(places[first], places[second]) for first, second in some])
    return found


def _batches(pairs: Sequence[_Pair]) -> Iterator[list[_Pair]]:
    """Divides pairs into runs that are about few enough samples to hold their sums."""
    some: list[_Pair] = []
    places: set[int] = set()
    for pair in pairs:
        if len(places.union(pair)) > BATCH:
            yield some
            some, places = [], set()
        some.append(pair)
        places.update(pair)
    if some:
        yield some


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Sums over questions under each of the draws.

    Attributes:
        resampled: Of their values, over the artworks drawn.
        flipped: Of their values, with random signs for the artworks.
        drawn: How many questions are drawn.
    """

    resampled: Floats
    flipped: Floats
    drawn: Floats

    def without(self, other: "_Sums") -> "_Sums":
        return _Sums(
            self.resampled - other.resampled,
            self.flipped - other.flipped,
            self.drawn - other.drawn,
        )


# By sample and set of questions: the sums over the sample's questions that are not in the set.
_Rests = Mapping[tuple[int, int], _Sums]


class _Batch:
    """Samples that are compared with one another, and what the draws make of each."""

    def __init__(self, draws: Draws, samples: Sequence[Sample]) -> None:
        self._draws = draws
        self._samples = samples
        self._overlaps = Overlaps(samples)
        self._values = [gridded(sample.values, draws.most_drawn) for sample in samples]
        count = draws.artwork_count
        totals = [
            totals_by_artwork(sample.artworks, values.values, count)
            for sample, values in zip(samples, self._values, strict=True)
        ]
        counts = [questions_by_artwork(sample.artworks, count) for sample in samples]
        self._whole = [
            _Sums(*sums)
            for sums in zip(
                draws.resampled(totals), draws.flipped(totals), draws.resampled(counts), strict=True
            )
        ]

    def contrasts(self, pairs: Sequence[_Pair]) -> list[Contrast]:
        """Contrasts the first of each pair with the second, given their places."""
        found: list[Contrast] = []
        for start in range(0, len(pairs), PAIRS):
            some = pairs[start : start + PAIRS]
            rests = self._rests(some)
            found += [self._contrast(first, second, rests) for first, second in some]
        return found

    def _contrast(self, first: int, second: int, rests: _Rests) -> Contrast:
        overlap = self._overlaps.between(first, second)
        questions, artworks = len(overlap.artworks), overlap.artwork_count
        if not questions:
            return Contrast(None, None, None, None, questions, artworks)
        differences = overlap.differences(self._samples[first], self._samples[second])
        difference = float(differences.sum()) / questions
        if artworks < LEAST_ARTWORKS:
            return Contrast(difference, None, None, None, questions, artworks)
        one, other = self._sums(first, second, rests), self._sums(second, first, rests)
        means = one.resampled - other.resampled
        with np.errstate(invalid="ignore"):
            means /= one.drawn
        p = sign_test(
            totals_by_artwork(overlap.artworks, differences, self._draws.artwork_count),
            one.flipped - other.flipped,
            self._values[first].uncertainty + self._values[second].uncertainty,
        )
        return Contrast(difference, percentile_interval(means), p, None, questions, artworks)

    def _sums(self, place: int, other: int, rests: _Rests) -> _Sums:
        """The sums of one sample over the questions that another has too."""
        whole, rest = self._whole[place], rests.get((place, self._overlaps.sets[other]))
        return whole if rest is None else whole.without(rest)

    def _rests(self, pairs: Sequence[_Pair]) -> _Rests:
        """Sums over the questions of one sample of a pair that the other has not."""
        rests: dict[tuple[int, int], _Sums] = {}
        for number, rows in self._left_out(pairs).items():
            totals, counts = [], []
            for place, row in rows.items():
                artworks, values = self._samples[place].artworks[row], self._values[place].values
                totals.append(totals_by_artwork(artworks, values[row], self._draws.artwork_count))
                counts.append(questions_by_artwork(artworks, self._draws.artwork_count))
            resampled = self._draws.resample(np.array(totals + counts))
            flipped = self._draws.flip(np.array(totals))
            for at, place in enumerate(rows):
                rests[place, number] = _Sums(resampled[at], flipped[at], resampled[len(rows) + at])
        return rests

    def _left_out(self, pairs: Sequence[_Pair]) -> dict[int, dict[int, Indices]]:
        """For each set of questions, the rows of the samples compared with it that it lacks."""
        found: dict[int, dict[int, Indices]] = {}
        for first, second in pairs:
            overlap = self._overlaps.between(first, second)
            for place, other, kept in (
                (first, second, overlap.in_first),
                (second, first, overlap.in_second),
            ):
                if kept is not None:
                    rows = found.setdefault(self._overlaps.sets[other], {})
                    rows[place] = np.flatnonzero(~kept)
        return found
