"""Means and corpus values with intervals from resampled artworks."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import UserInputError
from services.metrics.bleu import corpus_bleu
from services.metrics.registry import METRICS
from services.metrics.score_columns import SCORABLE, ScoreColumns, aggregate_columns
from services.sweep.report.model import Estimate, Interval
from services.sweep.report.statistics import Resampler, draws, estimates
from services.sweep.report.statistics.draws import Draws
from services.sweep.report.statistics.samples import Sample
from tests.unit.sweep.report.simulated_samples import clustered, sample, without_clusters


@st.composite
def samples(strategy: st.DrawFn) -> Sample:
    artworks = strategy(st.lists(st.integers(0, 5), min_size=1, max_size=12))
    # Numbers that can be doubled and halved without rounding.
    numbers = st.floats(-1e4, 1e4, width=16)
    return sample(strategy(st.tuples(*[numbers] * len(artworks))), artworks)


def within(estimate: Estimate, truth: float) -> bool:
    assert estimate.interval is not None
    return estimate.interval.low <= truth <= estimate.interval.high


def test_two_artworks_are_drawn_alone_often_enough_to_bound_the_interval() -> None:
    # Each alone makes up a quarter of the resamples, far more than the tails of 2.5 %.
    [found] = Resampler(2, 1000).estimates([sample([0.25, 0.75])])
    assert found == Estimate(0.5, Interval(0.25, 0.75), 2, 2)


def test_three_of_three_draws_are_likely_enough_to_bound_the_interval() -> None:
    # Only the third artwork is drawn in 1 of 27 resamples: 3.7 %, which is more than 2.5 %.
    [found] = Resampler(3).estimates([sample([0.0, 0.0, 1.0])])
    assert found.interval == Interval(0.0, 1.0)


def test_four_of_four_draws_are_too_rare_to_bound_the_interval() -> None:
    # Only the fourth is drawn in 1 of 256 resamples: 0.4 %. It is drawn three times or more in
    # 13 of 256: 5.1 %.
    [found] = Resampler(4).estimates([sample([0.0, 0.0, 0.0, 1.0])])
    assert found.interval == Interval(0.0, 0.75)


def test_an_artwork_is_drawn_with_all_its_questions() -> None:
    # The mean is 4/5. Both are drawn once in half of the resamples: 4/5 again. Of all means, 0, 4/5
    # and 1 are possible; were questions drawn, 3/5 would be.
    [found] = Resampler(2, 1000).estimates([sample([1, 1, 1, 1, 0], [0, 0, 0, 0, 1])])
    assert found == Estimate(0.8, Interval(0.0, 1.0), 5, 2)
    means = estimates.resampled_means(Draws(2, 1000, 0), [sample([1, 1, 1, 1, 0], [0, 0, 0, 0, 1])])
    assert set(means[0].tolist()) == {0.0, 0.8, 1.0}


def test_resampled_means_are_those_of_the_questions_of_the_artworks_drawn() -> None:
    one = sample([1.0, 2.0, 4.0, 8.0], [2, 0, 2, 1])
    all_draws = Draws(3, 500, 4)
    drawn = all_draws.resample(np.eye(3))
    [means] = estimates.resampled_means(all_draws, [one])
    for mean, times in zip(means, drawn.T, strict=True):
        of_questions = [times[artwork] for artwork in one.artworks]
        expected = np.average(one.values, weights=of_questions)
        assert mean == pytest.approx(expected)


def test_each_resample_draws_as_many_artworks_as_there_are() -> None:
    all_draws = Draws(37, 400, 1)
    assert (all_draws.resample(np.ones((1, 37))) == 37).all()
    # Each artwork is drawn once in the mean; 400 resamples miss that by 0.05 (1 / sqrt(400)).
    assert all_draws.resample(np.eye(37)).mean(axis=1) == pytest.approx(1.0, abs=0.25)


def test_artworks_that_no_question_is_about_change_little_but_the_draws() -> None:
    # 8 of 16 artworks: in some resamples fewer or more than 8 are drawn.
    values = [0.0, 1.0] * 4
    [few] = Resampler(8).estimates([sample(values)])
    [many] = Resampler(16).estimates([sample(values)])
    assert (many.value, many.questions, many.artworks) == (0.5, 8, 8)
    assert few.interval is not None
    assert many.interval is not None
    assert many.interval.low == pytest.approx(few.interval.low, abs=0.1)
    assert many.interval.high == pytest.approx(few.interval.high, abs=0.1)


def test_resamples_that_draw_none_of_a_samples_artworks_are_left_out() -> None:
    # Of 100 artworks the two that matter are both missed by 0.98 ** 100 = 13 % of the resamples.
    one = sample([0.25, 0.75], [17, 60])
    [means] = estimates.resampled_means(Draws(100, 2000, 0), [one])
    assert 0.1 < np.isnan(means).mean() < 0.17
    [found] = Resampler(100, 2000).estimates([one])
    assert found == Estimate(0.5, Interval(0.25, 0.75), 2, 2)


def test_one_artwork_has_a_mean_and_no_interval() -> None:
    [found] = Resampler(3, 100).estimates([sample([0.0, 1.0], [1, 1])])
    assert found == Estimate(0.5, None, 2, 1)


def test_one_question_has_a_mean_and_no_interval() -> None:
    assert Resampler(1, 100).estimates([sample([0.25])]) == [Estimate(0.25, None, 1, 1)]


def test_nothing_has_neither_mean_nor_interval() -> None:
    empty = sample([])
    assert Resampler(2, 100).estimates([empty]) == [Estimate(None, None, 0, 0)]
    assert Resampler(0, 100).estimates([empty]) == [Estimate(None, None, 0, 0)]
    assert Resampler(0, 100).estimates([]) == []


def test_equal_values_have_an_interval_of_no_width() -> None:
    [found] = Resampler(5, 500).estimates([sample([0.1] * 9, [0, 1, 2, 3, 4, 0, 0, 0, 1])])
    assert found.value == 0.1
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((0.1, 0.1), abs=1e-12)


def test_one_resample_is_its_own_interval() -> None:
    [found] = Resampler(3, 1).estimates([sample([0.0, 0.5, 1.0])])
    assert found.interval is not None
    assert found.interval.low == found.interval.high


def test_the_interval_interpolates_between_resampled_values() -> None:
    # 11 values: the tails end at place 0.25 and 9.75 of 0 to 10.
    values = np.array([5.0, 0.0, 8.0, 2.0, 10.0, 7.0, 3.0, 1.0, 4.0, 6.0, 9.0])
    assert estimates.percentile_interval(values) == Interval(0.25, 9.75)


def test_the_interval_leaves_out_what_is_no_number() -> None:
    assert estimates.percentile_interval(np.array([math.nan, 1.0])) == Interval(1.0, 1.0)
    assert estimates.percentile_interval(np.array([math.nan])) is None


def test_the_mean_is_the_leaderboards_to_the_last_bit() -> None:
    values = np.random.default_rng(0).random(999)
    columns = ScoreColumns(
        "length", "length|v:1", values, np.full(999, SCORABLE, np.int8), values[:, None]
    )
    [found] = Resampler(999, 2).estimates([sample(values.tolist())])
    assert found.value == aggregate_columns(columns).mean


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    random = np.random.default_rng(11)
    resampler = Resampler(60, 1000, 5)
    drawn = [clustered(random, 60, mean=3.0) for _ in range(1200)]
    share = np.mean([within(found, 3.0) for found in resampler.estimates(drawn)])
    # 95 %, less what 60 skewed artworks cost; by chance the share differs by 0.7 %.
    assert 0.925 <= share <= 0.965
    # The same without clusters: far too sure.
    apart = [without_clusters(one) for one in drawn[:300]]
    artworks = max(len(one) for one in apart)
    naive = Resampler(artworks, 1000, 5).estimates(apart)
    assert np.mean([within(found, 3.0) for found in naive]) < 0.85


def test_intervals_hold_the_true_mean_of_a_sample_of_few_of_the_artworks() -> None:
    random = np.random.default_rng(12)
    drawn = [clustered(random, 40, first_artwork=25, between=0.3) for _ in range(800)]
    share = np.mean([within(found, 0.0) for found in Resampler(90, 1000).estimates(drawn)])
    assert 0.92 <= share <= 0.97


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    one = clustered(np.random.default_rng(1), 30)
    first, again, other = (Resampler(30, 300, seed).estimates([one]) for seed in (7, 7, 8))
    assert first == again
    assert first[0].value == other[0].value
    assert first[0].interval != other[0].interval


def test_numbers_depend_neither_on_blocks_nor_on_what_else_is_estimated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(2)
    several = [clustered(random, 40, mean=mean) for mean in (0.0, 1e-3, 50.0)] * 2
    whole = Resampler(40, 700).estimates(several)
    assert Resampler(40, 700).estimates(several[::-1])[::-1] == whole
    assert [Resampler(40, 700).estimates([one])[0] for one in several] == whole
    monkeypatch.setattr(draws, "BLOCK_NUMBERS", 123)
    monkeypatch.setattr(draws, "_DRAWN_TOGETHER", 9)
    monkeypatch.setattr(estimates, "BATCH", 2)
    assert Resampler(40, 700).estimates(several) == whole


@given(samples())
def test_an_interval_lies_within_the_values(one: Sample) -> None:
    [found] = Resampler(6, 50).estimates([one])
    if found.interval is not None:
        slack = 1e-9 * float(np.abs(one.values).max())
        assert one.values.min() - slack <= found.interval.low
        assert found.interval.low <= found.interval.high
        assert found.interval.high <= one.values.max() + slack


@given(st.lists(st.floats(-1e4, 1e4, width=16), min_size=2, max_size=9), st.integers(1, 8))
def test_the_interval_of_two_artworks_holds_the_mean(values: list[float], first: int) -> None:
    # A quarter of the resamples draws the one artwork only, and another the other.
    first = min(first, len(values) - 1)
    one = sample(values, [0] * first + [1] * (len(values) - first))
    [found] = Resampler(2, 300).estimates([one])
    means = sorted([np.mean(values[:first]), np.mean(values[first:])])
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(means), abs=1e-9)
    assert found.value is not None
    assert found.interval.low - 1e-9 <= found.value <= found.interval.high + 1e-9


@given(samples())
def test_doubled_values_have_a_doubled_interval(one: Sample) -> None:
    twice = sample((2 * one.values).tolist(), one.artworks.tolist())
    found, doubled = Resampler(6, 50).estimates([one, twice])
    assert found.value is not None
    assert doubled.value == 2 * found.value
    if found.interval is not None:
        assert doubled.interval == Interval(2 * found.interval.low, 2 * found.interval.high)


def test_a_micro_value_comes_from_summed_statistics() -> None:
    # Matched of all entities: 1 of 1, and 0 of 3; together 1 of 4, each alone 1 and 0.
    one = sample([1.0, 0.0], statistics=[[1, 1], [0, 3]])
    [found] = Resampler(2, 500).micro("ec_exact", [one])
    assert found == Estimate(0.25, Interval(0.0, 1.0), 2, 2)


def test_resampled_micro_values_are_those_of_the_artworks_drawn() -> None:
    # Each of the 27 ways of drawing 3 of 3 artworks makes up 3.7 %, which is more than a tail: the
    # interval reaches from the least value to the greatest.
    rows = [[9, 10, 6, 4, 2, 1, 9, 8, 7, 6], [5, 5, 4, 3, 2, 1, 5, 4, 3, 2], [7, 6, 3, 1, 0, 0, 7]]
    rows[2] += [6, 5, 4]
    values = sorted(
        corpus_bleu([sum(column) for column in zip(*chosen, strict=True)]) or 0.0
        for chosen in product(rows, repeat=3)
    )
    [found] = Resampler(3, 20_000).micro("bleu", [sample([0.0] * 3, statistics=rows)])
    assert found.value == corpus_bleu([sum(column) for column in zip(*rows, strict=True)])
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((values[0], values[-1]))


@pytest.mark.parametrize("metric", [name for name, one in METRICS.items() if one.corpus_value])
def test_every_metric_with_a_corpus_value_has_micro_estimates(metric: str) -> None:
    width = len(METRICS[metric].statistic_names)
    some = np.random.default_rng(3).integers(1, 4, (2, 20, width)).astype(float)
    several = [sample([0.0] * 20, statistics=rows.tolist()) for rows in some]
    for found, rows in zip(Resampler(20, 60).micro(metric, several), some, strict=True):
        corpus_value = METRICS[metric].corpus_value
        assert corpus_value is not None
        assert found.value == corpus_value(rows.sum(axis=0).tolist())
        assert found.interval is not None


def test_a_micro_value_that_the_sums_do_not_define_is_none() -> None:
    [found] = Resampler(2, 50).micro("ec_exact", [sample([0.0, 0.0], statistics=[[0, 0], [0, 0]])])
    assert found == Estimate(None, None, 2, 2)


def test_a_micro_value_of_nothing_is_none() -> None:
    empty = Sample(*(np.empty(0, np.int64),) * 2, np.empty(0), np.empty((0, 2)))
    assert Resampler(2, 50).micro("ec_exact", [empty]) == [Estimate(None, None, 0, 0)]


def test_a_metric_without_a_corpus_value_has_no_micro_estimate() -> None:
    with pytest.raises(ValueError, match="length has no value from summed statistics"):
        Resampler(2, 50).micro("length", [sample([1.0, 2.0])])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"questions": [1, 0]}, "not ascending"),
        ({"questions": [1, 1]}, "not ascending"),
        ({"questions": [1]}, "differ in length"),
        ({"values": [1.0, math.nan]}, "not finite"),
        ({"statistics": [[1.0], [math.inf]]}, "not finite"),
    ],
)
def test_a_sample_that_makes_no_sense_is_refused(
    changes: dict[str, list[float]], message: str
) -> None:
    arrays = {
        "questions": np.array([0, 1]),
        "artworks": np.array([0, 0]),
        "values": np.array([0.5, 0.5]),
        "statistics": np.empty((2, 0)),
    }
    with pytest.raises(ValueError, match=message):
        Sample(**arrays | {name: np.array(value) for name, value in changes.items()})


def test_too_few_resamples_and_a_negative_seed_are_refused() -> None:
    with pytest.raises(UserInputError, match="at least 1"):
        Resampler(2, 0)
    with pytest.raises(UserInputError, match="at least 0"):
        Resampler(2, 10, -1)
