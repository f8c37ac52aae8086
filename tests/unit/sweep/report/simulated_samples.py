"""Samples for the tests of the report's statistics: small ones by hand, large ones by chance."""

from collections.abc import Sequence

import numpy as np

from services.sweep.report.statistics.samples import Sample


def sample(
    values: Sequence[float],
    artworks: Sequence[int] | None = None,
    questions: Sequence[int] | None = None,
    statistics: Sequence[Sequence[float]] | None = None,
) -> Sample:
    """A sample of these values: by default a question each of an artwork of its own."""
    count = len(values)
    return Sample(
        questions=np.array(range(count) if questions is None else questions, np.int64),
        artworks=np.array(range(count) if artworks is None else artworks, np.int64),
        values=np.array(values, np.float64),
        statistics=np.array(
            np.empty((count, 0)) if statistics is None else statistics, np.float64
        ).reshape(count, -1 if count and statistics is not None else 0),
    )


def without_clusters(given: Sample) -> Sample:
    """The same questions as if each were about an artwork of its own: what is wrong to assume."""
    return Sample(given.questions, given.questions, given.values, given.statistics)


def clustered(
    random: np.random.Generator,
    artworks: int,
    *,
    mean: float = 0.0,
    between: float = 1.0,
    within: float = 1.0,
    first_artwork: int = 0,
) -> Sample:
    """A sample of artworks with 1 to 8 questions each, whose values have something in common.

    Args:
        random: Where chance comes from.
        artworks: How many artworks.
        mean: The mean that the values come from.
        between: How far artworks differ: their deviations are skewed, as scores are.
        within: How far questions about one artwork differ.
        first_artwork: Number of the first artwork.
    """
    counts = random.integers(1, 9, artworks)
    codes = np.repeat(np.arange(artworks), counts)
    common = between * (random.exponential(size=artworks) - 1.0)
    values = mean + common[codes] + within * random.normal(size=len(codes))
    return Sample(
        questions=np.arange(len(codes)) + 1000 * first_artwork,
        artworks=codes + first_artwork,
        values=values,
        statistics=np.empty((len(codes), 0)),
    )
