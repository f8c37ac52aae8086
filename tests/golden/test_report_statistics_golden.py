"""The report's statistics against SciPy's and statsmodels', which another script asked."""

import json
from pathlib import Path

import numpy as np
import pytest

from services.sweep.report.model import Contrast, Estimate
from services.sweep.report.statistics import Resampler, Sample, holm

GOLDEN = json.loads((Path(__file__).parent / "report_statistics.json").read_text(encoding="utf-8"))


def sample(values: list[float], artworks: list[int] | None = None, first: int = 0) -> Sample:
    codes = np.arange(len(values)) if artworks is None else np.array(artworks)
    return Sample(
        np.arange(len(values)) + first, codes + first, np.array(values), np.empty((len(values), 0))
    )


def assert_about_equal(found: Estimate | Contrast, interval: list[float]) -> None:
    """By chance ends differ by 0.4 % of the width: 40,000 resamples here, 200,000 there."""
    assert found.interval is not None
    low, high = interval
    assert [found.interval.low, found.interval.high] == pytest.approx(
        [low, high], abs=0.015 * (high - low)
    )


@pytest.mark.parametrize("case", GOLDEN["holm"])
def test_holm_is_that_of_statsmodels(case: dict[str, list[float]]) -> None:
    assert holm(case["p"]) == pytest.approx(case["corrected"], rel=1e-12)


@pytest.mark.parametrize("case", GOLDEN["sign_test"])
def test_exact_p_values_are_those_of_scipy(case: dict[str, list[float]]) -> None:
    totals = case["totals"]
    samples = [sample(totals), sample([0.0] * len(totals))]
    [found] = Resampler(len(totals)).paired(samples, [(0, 1)])
    assert found.p == pytest.approx(case["p"], rel=1e-12)


def test_the_interval_of_a_mean_is_that_of_scipy() -> None:
    case = GOLDEN["mean"]
    [found] = Resampler(len(case["values"]), 40_000).estimates([sample(case["values"])])
    assert_about_equal(found, case["interval"])


def test_the_interval_of_a_clustered_mean_is_that_of_scipy() -> None:
    case = GOLDEN["clustered_mean"]
    artworks = max(case["artworks"]) + 1
    one = sample(case["values"], case["artworks"])
    [found] = Resampler(artworks, 40_000).estimates([one])
    assert_about_equal(found, case["interval"])
    # Of questions instead of artworks it would be another.
    [apart] = Resampler(len(one), 40_000).estimates([sample(case["values"])])
    with pytest.raises(AssertionError):
        assert_about_equal(apart, case["interval"])


def test_the_unpaired_interval_and_p_value_are_about_those_of_scipy() -> None:
    case = GOLDEN["unpaired"]
    count = len(case["first"])
    samples = [sample(case["first"]), sample(case["second"], first=count)]
    resampler = Resampler(count + len(case["second"]), 40_000)
    [found] = resampler.unpaired(samples, [(0, 1)])
    assert_about_equal(found, case["interval"])
    # Flipped signs and exchanged labels are two tests, which agree on samples that vary alike.
    assert found.p == pytest.approx(case["p"], abs=0.012)
