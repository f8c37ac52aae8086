"""What a report asks of statistics: estimates of means, and contrasts between them."""

from collections.abc import Sequence

from services.core.errors import UserInputError
from services.sweep.report.model import Contrast, Estimate
from services.sweep.report.statistics.draws import Draws
from services.sweep.report.statistics.estimates import macro_estimates, micro_estimates
from services.sweep.report.statistics.paired import paired_contrasts
from services.sweep.report.statistics.samples import Sample
from services.sweep.report.statistics.unpaired import unpaired_contrasts

__all__ = ["Resampler", "Sample"]


class Resampler:
    """Estimates means and differences with intervals and p-values.

    Artworks are drawn once, and serve everything that is asked. The numbers depend on nothing but
    the arguments here and the samples themselves: not on what else is asked, nor in which order.
    Most of the time goes into reading the draws, so that many samples at a time take little longer
    than a few.

    Args:
        artwork_count: How many artworks there are; samples number theirs from 0 to one less.
        resamples: How many times artworks, and signs, are drawn; at least 1.
        seed: Decides the draws; at least 0.

    Raises:
        UserInputError: A number is too small.
    """

    def __init__(self, artwork_count: int, resamples: int = 10_000, seed: int = 0) -> None:
        if resamples < 1:
            raise UserInputError(f"resamples are {resamples}; they must be at least 1")
        if seed < 0:
            raise UserInputError(f"the seed is {seed}; it must be at least 0")
        self._draws = Draws(artwork_count, resamples, seed)

    def estimates(self, samples: Sequence[Sample]) -> list[Estimate]:
        """Estimates the mean of each sample."""
        return macro_estimates(self._draws, samples)

    def micro(self, metric: str, samples: Sequence[Sample]) -> list[Estimate]:
        """Estimates the value from summed statistics of each sample, all of one metric.

        Raises:
            ValueError: The metric has no such value.
        """
        return micro_estimates(self._draws, metric, samples)

    def paired(self, samples: Sequence[Sample], pairs: Sequence[tuple[int, int]]) -> list[Contrast]:
        """Contrasts samples over the questions that both have.

        Args:
            samples: The samples.
            pairs: Places of two samples each; the contrast is the first minus the second.

        Returns:
            A contrast a pair, without correction; see :func:`.holm.corrected`.
        """
        return paired_contrasts(self._draws, samples, pairs)

    def unpaired(
        self, samples: Sequence[Sample], pairs: Sequence[tuple[int, int]]
    ) -> list[Contrast]:
        """Contrasts samples that are not of the same questions; otherwise as `paired`."""
        return unpaired_contrasts(self._draws, samples, pairs)
