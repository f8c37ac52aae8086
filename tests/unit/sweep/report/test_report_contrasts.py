"""Differences of means with intervals and p-values, by hand and by properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sweep.report.model import Contrast, Interval
from services.sweep.report.statistics import Resampler, draws, paired, unpaired
from services.sweep.report.statistics.draws import Draws
from services.sweep.report.statistics.samples import Sample, gridded
from services.sweep.report.statistics.sign_test import sign_test
from tests.unit.sweep.report.simulated_samples import clustered, sample

NO_FLIPS = np.full(1000, np.nan)
"""Random sums of which none may be looked at, where all patterns of signs can be tried."""


def negated(contrast: Contrast) -> Contrast:
    difference, interval = contrast.difference, contrast.interval
    return replace(
        contrast,
        difference=None if difference is None else -difference,
        interval=None if interval is None else Interval(-interval.high, -interval.low),
    )


def only(given: Sample, questions: Sample) -> Sample:
    kept = np.isin(given.questions, questions.questions)
    return Sample(
        given.questions[kept], given.artworks[kept], given.values[kept], given.statistics[kept]
    )


def test_the_sign_test_tries_all_signs_of_few_artworks() -> None:
    # 1 + 2 + 3 = 6; of the 8 patterns only +++ and --- are as large.
    assert sign_test(np.array([1.0, 2.0, 3.0]), NO_FLIPS, 0.0) == 2 / 8
    # 3 + 2 - 1 = 4; as large are 6, 4 and their opposites.
    assert sign_test(np.array([3.0, 2.0, -1.0]), NO_FLIPS, 0.0) == 4 / 8


def test_ties_count_as_as_large_whatever_rounding_makes_of_them() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17 instead of 0, and so are sums that ought to be equal to it.
    assert sign_test(np.array([0.1, 0.2, -0.3]), NO_FLIPS, 1e-12) == 1.0
    # 0.3 twice, but once as 0.1 + 0.2: 0.6 and -0.6 are 2 of 8, and 0.3 + 0.3 - 0 none of them.
    assert sign_test(np.array([0.1, 0.2, 0.3]), NO_FLIPS, 1e-12) == 2 / 8


def test_artworks_that_favour_neither_side_have_no_say() -> None:
    assert sign_test(np.array([0.0, 1.0, 0.0, 1.0, 0.0]), NO_FLIPS, 0.0) == 2 / 4
    assert sign_test(np.zeros(50), NO_FLIPS, 0.0) == 1.0


def test_the_sign_test_draws_signs_where_there_are_too_many_patterns() -> None:
    # 1,000 trials are enough for 9 artworks (512 patterns) and not for 10 (1,024).
    flips = np.array([10.0] * 24 + [-10.0] * 25 + [8.0] * 951)
    assert sign_test(np.ones(10), flips, 0.0) == (49 + 1) / (1000 + 1)
    assert sign_test(np.ones(9), flips, 0.0) == 2 / 512


def test_drawn_signs_give_about_the_p_value_of_all_signs() -> None:
    totals = np.random.default_rng(6).normal(0.35, 1.0, 14)
    exact = sign_test(totals, np.zeros(2**14), 0.0)
    drawn = sign_test(totals, Draws(14, 10_000, 3).flip(totals[None])[0], 1e-12)
    assert 0.01 < exact < 0.5
    # By chance the share of 10,000 differs by 0.5 % at most.
    assert drawn == pytest.approx(exact, abs=0.02)
    assert drawn != exact


def test_a_paired_contrast_of_a_handful() -> None:
    # Differences 0.5, 0.25, 0.75, 0.5 of artworks 0, 0, 1, 2: totals 0.75, 0.75, 0.5, which are
    # all positive, so that 2 of 8 patterns are as large. Of 27 resamples, one draws nothing but
    # artwork 0, whose mean is the least (0.375), and one nothing but 1, the greatest (0.75).
    first = sample([1.0, 0.5, 0.75, 1.0], [0, 0, 1, 2])
    second = sample([0.5, 0.25, 0.0, 0.5], [0, 0, 1, 2])
    [found] = Resampler(3, 5000).paired([first, second], [(0, 1)])
    assert found == Contrast(0.5, Interval(0.375, 0.75), 2 / 8, None, 4, 3)


def test_a_paired_contrast_is_over_the_questions_that_both_have() -> None:
    # Both have 2 and 5: differences 1 and 0.5. What else they have does not matter.
    first = sample([9.0, 1.0, 0.75, 7.0], [0, 1, 2, 2], [1, 2, 5, 6])
    second = sample([0.0, 0.25, -8.0], [1, 2, 3], [2, 5, 9])
    [found] = Resampler(4, 2000).paired([first, second], [(0, 1)])
    assert found == Contrast(0.75, Interval(0.5, 1.0), 2 / 4, None, 2, 2)


def test_samples_without_a_common_question_cannot_be_paired() -> None:
    first, second = sample([1.0, 2.0], [0, 1], [0, 1]), sample([1.0, 2.0], [0, 1], [2, 3])
    empty = sample([])
    found = Resampler(2, 50).paired([first, second, empty], [(0, 1), (0, 2), (2, 2)])
    assert found == [Contrast(None, None, None, None, 0, 0)] * 3


def test_one_common_artwork_gives_a_difference_and_no_more() -> None:
    first, second = sample([1.0, 2.0], [1, 1]), sample([0.5, 0.5], [1, 1])
    [found] = Resampler(2, 50).paired([first, second], [(0, 1)])
    assert found == Contrast(1.0, None, None, None, 2, 1)


def test_equal_samples_do_not_differ_at_all() -> None:
    one = clustered(np.random.default_rng(0), 30)
    [found] = Resampler(30, 200).paired([one, one], [(0, 1)])
    assert found == Contrast(0.0, Interval(0.0, 0.0), 1.0, None, len(one), 30)


def test_equal_values_do_not_differ_where_questions_are_missing() -> None:
    one = clustered(np.random.default_rng(0), 30)
    kept = sample(one.values[3:].tolist(), one.artworks[3:].tolist(), one.questions[3:].tolist())
    [found] = Resampler(30, 200).paired([one, kept], [(0, 1)])
    assert (found.difference, found.p, found.questions) == (0.0, 1.0, len(kept))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0, 0.0), abs=1e-12)


def test_the_same_difference_of_every_question_is_as_sure_as_can_be() -> None:
    second = clustered(np.random.default_rng(0), 30)
    first = replace(second, values=second.values + 0.25)
    [found] = Resampler(30, 999).paired([first, second], [(0, 1)])
    assert found.difference == pytest.approx(0.25)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((0.25, 0.25))
    assert found.p == 1 / 1000


@st.composite
def pairs(strategy: st.DrawFn) -> tuple[Sample, Sample]:
    """Two samples of some of the same 14 questions about 5 artworks; values are quarters."""
    artworks = strategy(st.lists(st.integers(0, 4), min_size=14, max_size=14))

    def some() -> Sample:
        questions = sorted(strategy(st.sets(st.integers(0, 13), max_size=14)))
        values = [strategy(st.integers(-8, 8)) / 4 for _ in questions]
        return sample(values, [artworks[question] for question in questions], questions)

    return some(), some()


@given(pairs())
def test_a_paired_contrast_the_other_way_round_is_its_opposite(two: tuple[Sample, Sample]) -> None:
    for resamples in (20, 100):  # with all signs of up to 4 artworks, and of up to 6
        first, second = Resampler(5, resamples).paired(two, [(0, 1), (1, 0)])
        assert second == negated(first)


@given(pairs())
def test_an_unpaired_contrast_the_other_way_round_is_its_opposite(
    two: tuple[Sample, Sample],
) -> None:
    first, second = Resampler(5, 20).unpaired(two, [(0, 1), (1, 0)])
    assert second == negated(first)


@given(pairs())
def test_a_paired_contrast_does_not_know_of_questions_that_only_one_has(
    two: tuple[Sample, Sample],
) -> None:
    first, second = two
    common = [only(first, second), only(second, first)]
    resampler = Resampler(5, 20)
    assert resampler.paired(two, [(0, 1)]) == resampler.paired(common, [(0, 1)])


@given(pairs())
def test_a_paired_contrast_is_the_estimate_of_the_differences(two: tuple[Sample, Sample]) -> None:
    first, second = only(two[0], two[1]), only(two[1], two[0])
    differences = replace(first, values=first.values - second.values)
    resampler = Resampler(5, 50)
    [contrast], [estimate] = resampler.paired(two, [(0, 1)]), resampler.estimates([differences])
    assert contrast.difference == estimate.value
    assert contrast.interval == estimate.interval
    assert (contrast.questions, contrast.artworks) == (estimate.questions, estimate.artworks)


def test_an_unpaired_contrast_of_a_handful() -> None:
    # Means 1 and 0, together 0.5: each artwork adds 0.25 to the difference of 1, so that 2 of 16
    # patterns of signs are as large. All questions of a sample are alike: no width.
    first, second = sample([1.0, 1.0], [0, 1]), sample([0.0, 0.0], [2, 3], [2, 3])
    [found] = Resampler(4, 500).unpaired([first, second], [(0, 1)])
    assert found == Contrast(1.0, Interval(1.0, 1.0), 2 / 16, None, 2, 2)


def test_an_unpaired_contrast_counts_the_smaller_sample() -> None:
    first = sample([0.0, 1.0, 0.0, 1.0, 1.0], [0, 0, 1, 1, 1])
    second = sample([0.0, 1.0, 1.0], [2, 3, 4], [5, 6, 7])
    found = Resampler(5, 50).unpaired([first, second], [(0, 1), (1, 0)])
    assert [(one.questions, one.artworks) for one in found] == [(3, 3), (3, 3)]


def test_equal_values_do_not_differ_between_samples() -> None:
    first, second = sample([0.1] * 4), sample([0.1] * 3, [4, 5, 6], [4, 5, 6])
    [found] = Resampler(7, 500).unpaired([first, second], [(0, 1)])
    # Three times 0.1 is not 0.3: without an allowance for rounding all patterns would be smaller.
    assert found.difference == pytest.approx(0.0, abs=1e-12)
    assert found.p == 1.0
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0, 0.0), abs=1e-12)


def test_an_unpaired_contrast_with_one_artwork_has_neither_interval_nor_p_value() -> None:
    first, second = sample([1.0] * 3), sample([0.5, 0.0], [3, 3], [3, 4])
    found = Resampler(4, 50).unpaired([first, second], [(0, 1), (1, 0)])
    assert found[0] == Contrast(0.75, None, None, None, 2, 1)
    assert found[1] == negated(found[0])


def test_an_unpaired_contrast_with_nothing_is_none() -> None:
    found = Resampler(3, 50).unpaired([sample([1.0] * 3), sample([])], [(0, 1), (1, 1)])
    assert found == [Contrast(None, None, None, None, 0, 0)] * 2


def test_numbers_depend_neither_on_blocks_nor_on_what_else_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(5)
    full = [clustered(np.random.default_rng(1), 40)] * 4
    several = []
    for number, one in enumerate(full):
        kept = random.random(len(one)) < (1.0 if number < 2 else 0.9)
        values = one.values + random.normal(size=len(one))
        several.append(
            sample(values[kept].tolist(), one.artworks[kept].tolist(), one.questions[kept].tolist())
        )
    chosen = [(0, 1), (0, 2), (2, 1), (3, 2), (3, 0), (1, 3)]
    resampler = Resampler(40, 300)
    found = resampler.paired(several, chosen)
    apart = resampler.unpaired(several, chosen)
    assert len({one.questions for one in found}) > 2
    assert resampler.paired(several, chosen[::-1]) == found[::-1]
    assert [resampler.paired(several, [pair])[0] for pair in chosen] == found
    turned = [(3 - first, 3 - second) for first, second in chosen]
    assert resampler.paired(several[::-1], turned) == found
    assert resampler.unpaired(several[::-1], turned) == apart
    monkeypatch.setattr(draws, "BLOCK_NUMBERS", 123)
    for module in (paired, unpaired):
        monkeypatch.setattr(module, "BATCH", 3)
    monkeypatch.setattr(paired, "PAIRS", 2)
    assert Resampler(40, 300).paired(several, chosen) == found
    assert Resampler(40, 300).unpaired(several, chosen) == apart


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=30))
def test_gridded_values_have_exact_sums_near_the_true_ones(values: list[float]) -> None:
    array = np.array(values)
    found = gridded(array, 9)
    times = np.arange(len(array)) % 10
    assert abs(found.values - array).sum() <= found.uncertainty
    assert (found.values * times).sum() == (found.values * times)[::-1].sum()
    assert found.uncertainty <= 1e-9 * max(1.0, float(np.abs(array).sum()))
