"""Holm's correction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sweep.report.model import Contrast
from services.sweep.report.statistics import corrected, holm

FAMILIES = st.lists(st.none() | st.floats(0.0, 1.0), max_size=12)


def test_holm_multiplies_the_least_by_all_and_the_next_by_one_less() -> None:
    # Sorted: 0.01 * 4 = 0.04; 0.02 * 3 = 0.06; 0.03 * 2 = 0.06; 0.5 * 1 = 0.5.
    assert holm([0.5, 0.03, 0.01, 0.02]) == pytest.approx([0.5, 0.06, 0.04, 0.06])


def test_no_corrected_value_is_less_than_one_before_it() -> None:
    # 0.02 * 3 = 0.06; then 0.021 * 2 = 0.042, which is raised to 0.06; 0.9 * 1 = 0.9.
    assert holm([0.021, 0.9, 0.02]) == pytest.approx([0.06, 0.9, 0.06])


def test_no_corrected_value_is_more_than_one() -> None:
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_what_has_no_p_value_keeps_none_and_does_not_count() -> None:
    # Two count: 0.01 * 2 and 0.04 * 1.
    assert holm([None, 0.04, None, 0.01]) == pytest.approx([None, 0.04, None, 0.02])


def test_nothing_is_corrected_where_there_is_nothing() -> None:
    assert holm([]) == []
    assert holm([None, None]) == [None, None]
    assert holm([0.2]) == [0.2]


@given(FAMILIES)
def test_holm_lies_between_the_p_value_and_that_of_bonferroni(p_values: list[float | None]) -> None:
    count = sum(p is not None for p in p_values)
    for p, after in zip(p_values, holm(p_values), strict=True):
        if p is None:
            assert after is None
        else:
            assert after is not None
            assert p <= after <= min(1.0, p * count) + 1e-12


@given(FAMILIES, st.randoms(use_true_random=False))
def test_holm_does_not_depend_on_the_order(
    p_values: list[float | None], random: "st.random.Random"
) -> None:
    order = list(range(len(p_values)))
    random.shuffle(order)
    before = holm(p_values)
    assert holm([p_values[place] for place in order]) == [before[place] for place in order]


def test_contrasts_get_their_corrected_p_values_and_keep_the_rest() -> None:
    contrasts = [
        Contrast(0.5, None, 0.03, None, 7, 3),
        Contrast(None, None, None, None, 0, 0),
        Contrast(0.25, None, 0.01, None, 8, 4),
    ]
    assert corrected(contrasts) == [
        Contrast(0.5, None, 0.03, 0.03, 7, 3),
        Contrast(None, None, None, None, 0, 0),
        Contrast(0.25, None, 0.01, 0.02, 8, 4),
    ]
