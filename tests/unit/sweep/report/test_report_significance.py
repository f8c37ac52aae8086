"""p-values where nothing differs: they must be as rare as they say, and as likely."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from services.sweep.report.model import Contrast
from services.sweep.report.statistics import Resampler
from services.sweep.report.statistics.samples import Sample
from tests.unit.sweep.report.simulated_samples import clustered, without_clusters

TRIALS = 1200


def p_values(contrasts: list[Contrast]) -> npt.NDArray[np.float64]:
    found = [contrast.p for contrast in contrasts]
    assert None not in found
    return np.array(found, np.float64)


def assert_uniform(found: npt.NDArray[np.float64]) -> None:
    """By chance the share below 5 % differs by 0.6 %, that below 50 % by 1.4 %."""
    assert 0.03 <= (found <= 0.05).mean() <= 0.07
    assert 0.17 <= (found <= 0.2).mean() <= 0.235
    assert 0.455 <= (found <= 0.5).mean() <= 0.545


def covered(contrasts: list[Contrast], truth: float) -> float:
    intervals = [contrast.interval for contrast in contrasts]
    return float(np.mean([one is not None and one.low <= truth <= one.high for one in intervals]))


def two_models(random: np.random.Generator, better_by: float) -> tuple[Sample, Sample]:
    """Two models on the same 60 artworks, which are as hard for both, though not every one."""
    hardness = clustered(random, 60, mean=5.0, between=2.0)
    counts = np.bincount(hardness.artworks)
    both = []
    for mean in (better_by, 0.0):
        own = np.repeat(random.exponential(0.7, 60) - 0.7, counts)
        values = hardness.values + mean + own + random.normal(size=len(hardness))
        both.append(replace(hardness, values=values))
    return both[0], both[1]


def compared(pairs: list[tuple[Sample, Sample]], artworks: int, *, paired: bool) -> list[Contrast]:
    samples = [one for pair in pairs for one in pair]
    places = [(place, place + 1) for place in range(0, len(samples), 2)]
    resampler = Resampler(artworks, 1000, 3)
    compare = resampler.paired if paired else resampler.unpaired
    return compare(samples, places)


@pytest.fixture(scope="module")
def equals() -> list[tuple[Sample, Sample]]:
    random = np.random.default_rng(21)
    return [two_models(random, 0.0) for _ in range(TRIALS)]


def test_paired_p_values_are_uniform_where_models_are_equal(
    equals: list[tuple[Sample, Sample]],
) -> None:
    found = compared(equals, 60, paired=True)
    assert_uniform(p_values(found))
    assert 0.925 <= covered(found, 0.0) <= 0.965


def test_paired_p_values_would_be_too_small_without_clusters(
    equals: list[tuple[Sample, Sample]],
) -> None:
    apart = [(without_clusters(one), without_clusters(other)) for one, other in equals[:300]]
    artworks = max(len(one) for one, _ in apart)
    assert (p_values(compared(apart, artworks, paired=True)) <= 0.05).mean() > 0.12


def test_paired_p_values_are_uniform_where_answers_are_missing(
    equals: list[tuple[Sample, Sample]],
) -> None:
    random = np.random.default_rng(22)

    def with_gaps(one: Sample) -> Sample:
        kept = random.random(len(one)) < 0.9
        return Sample(
            one.questions[kept], one.artworks[kept], one.values[kept], one.statistics[kept]
        )

    gaps = [(with_gaps(one), with_gaps(other)) for one, other in equals[:800]]
    assert_uniform(p_values(compared(gaps, 60, paired=True)))


def test_a_paired_difference_is_found() -> None:
    random = np.random.default_rng(23)
    pairs = [two_models(random, 0.6) for _ in range(200)]
    found = compared(pairs, 60, paired=True)
    assert (p_values(found) <= 0.05).mean() > 0.9
    assert 0.9 <= covered(found, 0.6) <= 0.985


@pytest.mark.parametrize(
    ("artworks", "spread"),
    [((60, 60), (1.0, 1.0)), ((70, 140), (1.5, 0.5)), ((70, 140), (0.5, 1.5))],
    ids=["alike", "the smaller varies more", "the larger varies more"],
)
def test_unpaired_p_values_are_uniform_where_the_parts_are_equally_hard(
    artworks: tuple[int, int], spread: tuple[float, float]
) -> None:
    random = np.random.default_rng(24)
    pairs = [
        (
            clustered(random, artworks[0], between=spread[0]),
            clustered(random, artworks[1], between=spread[1], first_artwork=artworks[0]),
        )
        for _ in range(TRIALS)
    ]
    found = compared(pairs, sum(artworks), paired=False)
    assert_uniform(p_values(found))
    assert 0.92 <= covered(found, 0.0) <= 0.965


def test_an_unpaired_difference_is_found() -> None:
    random = np.random.default_rng(25)
    pairs = [
        (clustered(random, 60, mean=1.0), clustered(random, 60, first_artwork=60))
        for _ in range(200)
    ]
    found = compared(pairs, 120, paired=False)
    assert (p_values(found) <= 0.05).mean() > 0.9
    assert 0.9 <= covered(found, 1.0) <= 0.985
