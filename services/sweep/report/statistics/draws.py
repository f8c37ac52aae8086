"""The random numbers of a report: artworks drawn again and again, and signs."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from services.sweep.report.statistics.recall import Recall
from services.sweep.report.statistics.samples import Floats

# Factors that are floats at a time while they are multiplied: 32 MB.
BLOCK_NUMBERS = 2**22

# Resamples that are drawn before they are put in their places together.
_DRAWN_TOGETHER = 128

_Factors = npt.NDArray[np.uint8] | npt.NDArray[np.int8]


class Draws:
    """How often each artwork is drawn in each resample, and a sign for each in each trial.

    One set of them serves all contenders, metrics, settings and parts, so that whatever is
    compared was drawn together. A resample draws as many artworks as there are, with replacement.

    Args:
        artwork_count: How many artworks there are.
        resamples: How many resamples, and trials of signs, there are.
        seed: Decides them, together with the two counts; 0 or more.

    Attributes:
        artwork_count: How many artworks there are.
        resamples: How many resamples, and trials of signs, there are.
        resampled: As :meth:`resample`, for rows that may be asked for again.
        flipped: As :meth:`flip`, for rows that may be asked for again.
    """

    def __init__(self, artwork_count: int, resamples: int, seed: int) -> None:
        self.artwork_count = artwork_count
        self.resamples = resamples
        self.resampled = Recall(self.resample)
        self.flipped = Recall(self.flip)
        for_weights, self._for_signs = np.random.SeedSequence(seed).spawn(2)
        self._weights = _draw_weights(np.random.default_rng(for_weights), artwork_count, resamples)

    @cached_property
    def most_drawn(self) -> int:
        """How often any artwork is drawn in one resample at most; 1 or more."""
        return int(self._weights.max(initial=1))

    @cached_property
    def _signs(self) -> npt.NDArray[np.int8]:
        shape = (self.artwork_count, self.resamples)
        signs = np.random.default_rng(self._for_signs).integers(0, 2, shape, np.int8)
        signs *= 2
        signs -= 1
        return signs

    def resample(self, totals: Floats) -> Floats:
        """Sums totals of artworks over those drawn.

        Args:
            totals: A row for each thing to be summed, a column for each artwork.

        Returns:
            A row for each thing, a column for each resample.
        """
        return self._multiplied(totals, self._weights)

    def flip(self, totals: Floats) -> Floats:
        """Sums totals of artworks with random signs; arguments and result as of `resample`."""
        return self._multiplied(totals, self._signs)

    def _multiplied(self, totals: Floats, factors: _Factors) -> Floats:
        used = np.flatnonzero(totals.any(axis=0))
        if len(used) < self.artwork_count:
            totals, factors = totals[:, used], factors[used]
        result = np.empty((len(totals), self.resamples))
        width = max(1, BLOCK_NUMBERS // max(1, len(used)))
        for start in range(0, self.resamples, width):
            block = slice(start, start + width)
            np.matmul(totals, factors[:, block].astype(np.float64), out=result[:, block])
        return result


def _draw_weights(
    random: np.random.Generator, artwork_count: int, resamples: int
) -> npt.NDArray[np.uint8]:
    # A byte is enough. Fewer than 256 artworks are drawn less than 256 times in all; of more, the
    # chance that one is drawn so often is less than 1 in 10**500.
    weights = np.zeros((artwork_count, resamples), np.uint8)
    if not artwork_count:
        return weights
    for start in range(0, resamples, _DRAWN_TOGETHER):
        columns = weights[:, start : start + _DRAWN_TOGETHER]
        rows = np.empty(columns.shape[::-1], np.uint8)
        for row in rows:
            drawn = random.integers(artwork_count, size=artwork_count)
            row[:] = np.bincount(drawn, minlength=artwork_count)
        columns[:] = rows.T
    return weights
