"""Differences of the means of two samples that are not of the same questions.

The interval comes from the resamples in which both means were drawn; an artwork may stand in either
sample, or in both. The p-value is that of a sign-flip test of scores: were there one mean, an
artwork's deviation from it might as well be the other way round (J. Hemerik, J. J. Goeman and
L. Finos, Robust testing in generalized linear models by sign flipping score contributions, 2020).
Unlike a permutation of labels it holds where artworks of the one sample vary more, or have more
questions, than those of the other.
"""

from collections.abc import Sequence

import numpy as np

from services.sweep.report.model import Contrast
from services.sweep.report.statistics.draws import Draws
from services.sweep.report.statistics.estimates import (
    BATCH,
    LEAST_ARTWORKS,
    percentile_interval,
    resampled_means,
)
from services.sweep.report.statistics.samples import Floats, Sample, gridded, totals_by_artwork
from services.sweep.report.statistics.sign_test import sign_test

# What rounding may do to a deviation from a mean, relative to the values: some hundred last places.
_ROUNDING = 2.0**-44


def unpaired_contrasts(
    draws: Draws, samples: Sequence[Sample], pairs: Sequence[tuple[int, int]]
) -> list[Contrast]:
    """Contrasts the first sample of each pair with the second."""
    chosen = [(samples[first], samples[second]) for first, second in pairs]
    found: list[Contrast] = []
    for start in range(0, len(chosen), BATCH // 2):
        found += _contrasts(draws, chosen[start : start + BATCH // 2])
    return found


def _contrasts(draws: Draws, pairs: Sequence[tuple[Sample, Sample]]) -> list[Contrast]:
    means = resampled_means(draws, [sample for pair in pairs for sample in pair])
    totals = [gridded(_deviations(draws, *pair), 1) for pair in pairs]
    flipped = draws.flip(np.array([total.values for total in totals]))
    found = []
    for place, (first, second) in enumerate(pairs):
        questions, artworks = min(
            (len(first), first.artwork_count), (len(second), second.artwork_count)
        )
        difference = interval = p = None
        if first.mean is not None and second.mean is not None:
            difference = first.mean - second.mean
        if min(first.artwork_count, second.artwork_count) >= LEAST_ARTWORKS:
            interval = percentile_interval(means[2 * place] - means[2 * place + 1])
            total = totals[place]
            uncertainty = total.uncertainty + _ROUNDING * (_size(first) + _size(second))
            p = sign_test(total.values, flipped[place], uncertainty)
        found.append(Contrast(difference, interval, p, None, questions, artworks))
    return found


def _deviations(draws: Draws, first: Sample, second: Sample) -> Floats:
    """What each artwork adds to the difference of the means, by deviating from the common one."""
    if not (len(first) and len(second)):
        return np.zeros(draws.artwork_count)
    common = float(first.values.sum() + second.values.sum()) / (len(first) + len(second))
    return _deviation(draws, first, common) - _deviation(draws, second, common)


def _deviation(draws: Draws, sample: Sample, common: float) -> Floats:
    totals = totals_by_artwork(sample.artworks, sample.values - common, draws.artwork_count)
    return totals / len(sample)


def _size(sample: Sample) -> float:
    return float(np.abs(sample.values).mean())
