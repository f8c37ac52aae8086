"""Rank correlations: by hand, and as SciPy computes them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sweep.report.gathering import gather_evidence
from services.sweep.report.knowledge.correlations import correlations, mean_correlations
from services.sweep.report.sources import open_sources
from tests.unit.sweep.report.reported_sweep import FEW_METRICS, finish_sweep

GOLDEN = Path(__file__).parents[3] / "golden" / "rank_correlations.json"
NONE = float("nan")


def coefficient(
    first: list[float], second: list[float], groups: list[int] | None = None
) -> float | None:
    values = np.array([first, second], np.float64).T
    numbers = np.array(groups or [0] * len(first), np.int64)
    ((one, found), (same, two)) = mean_correlations(values, numbers)
    assert found == same
    assert {one, two} <= {None, 1.0}
    return found


def test_ranks_that_rise_together_correlate_by_1_and_against_each_other_by_minus_1() -> None:
    assert coefficient([1, 2, 3], [10, 400, 5000]) == pytest.approx(1.0)
    assert coefficient([1, 2, 3], [9, 8, -7]) == pytest.approx(-1.0)


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4; around their mean -1.5, 0, 0, 1.5 and -1.5, 0.5, -0.5,
    # 1.5. Products 4.5; squares 4.5 and 5: 4.5 / sqrt(22.5) = 0.948683.
    assert coefficient([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(0.9486833)


def test_a_pair_is_correlated_over_answers_that_have_both_values() -> None:
    # Over the rows 1, 3 and 4 the ranks are 1, 2, 3 and 1, 3, 2: 1 - 6 · 2 / (3 · 8) = 0.5.
    first = [5.0, 9.0, 6.0, 7.0, NONE]
    second = [1.0, NONE, 3.0, 2.0, 0.0]
    assert coefficient(first, second) == pytest.approx(0.5)


def test_groups_are_correlated_apart_and_weighed_by_their_answers() -> None:
    # Two answers correlate by 1 and three by -1: (2 - 3) / 5. Those without a value weigh nothing.
    first = [1, 2, 10, 20, 30, 40.0]
    second = [1, 2, 6, 5, 4, NONE]
    assert coefficient(first, second, [7, 7, 3, 3, 3, 3]) == pytest.approx(-0.2)


def test_a_group_in_which_a_metric_never_varies_says_nothing() -> None:
    assert coefficient([1, 2, 5, 5], [1, 2, 2, 1], [0, 0, 1, 1]) == pytest.approx(1.0)
    assert coefficient([5, 5, 5], [1, 2, 3]) is None
    assert coefficient([5], [1]) is None
    assert coefficient([1, NONE], [NONE, 2]) is None


def test_what_never_varies_does_not_correlate_with_itself_either() -> None:
    values = np.array([[1.0, 3.0], [1.0, 4.0]])
    assert mean_correlations(values, np.zeros(2, np.int64)) == (
        (None, None),
        (None, 1.0),
    )


@pytest.mark.parametrize(
    "case", json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"], ids=lambda case: case["name"]
)
def test_coefficients_are_those_of_scipy(case: dict[str, object]) -> None:
    columns, expected = case["columns"], case["spearmanr"]
    assert isinstance(columns, list)
    assert isinstance(expected, list)
    values = np.array(columns, np.float64).T
    found = mean_correlations(values, np.zeros(len(values), np.int64))
    for row, wanted in zip(found, expected, strict=True):
        assert row == pytest.approx(wanted, rel=0, abs=1e-12)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=30))
def test_a_rising_function_of_the_values_changes_nothing(pairs: list[tuple[int, int]]) -> None:
    first, second = ([float(pair[at]) for pair in pairs] for at in (0, 1))
    plain = coefficient(first, second)
    assert plain is None or -1 <= plain <= 1
    risen = coefficient([value**3 for value in first], [2 * value + 1 for value in second])
    assert risen == plain


def test_the_metrics_of_a_sweep_are_correlated(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out")
    evidence = gather_evidence(open_sources([str(tmp_path / "out")]))
    found = correlations(evidence)
    assert found is not None
    assert found.metrics == FEW_METRICS
    assert found.answers == len(evidence)
    values = np.array(found.values, np.float64)
    assert values.shape == (len(FEW_METRICS), len(FEW_METRICS))
    assert np.allclose(values, values.T)
    assert np.allclose(np.diag(values), 1.0)
    # The answers are as many of the reference's sentences as may be: longer ones name more.
    assert values[FEW_METRICS.index("length"), FEW_METRICS.index("ec_exact")] > 0


def test_where_nothing_is_scored_nothing_is_correlated(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out", answer=lambda job: None)
    assert correlations(gather_evidence(open_sources([str(tmp_path / "out")]))) is None
