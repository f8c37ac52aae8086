"""How numbers stand in tables."""

import pytest

from services.sweep.report.model import Interval
from services.sweep.report.tables.layout import (
    NOTHING,
    heading,
    shown,
    shown_bounds,
    shown_difference,
    shown_p,
    shown_spread,
)


def test_shares_are_times_100_with_two_decimals_and_lengths_as_they_are_with_one() -> None:
    assert shown("ef1", 0.16934) == "16.93"
    assert shown("length", 91.28) == "91.3"
    assert shown("ef1", None) == NOTHING


def test_differences_have_their_sign_but_zero_has_none() -> None:
    assert shown_difference("ef1", 0.05) == "+5.00"
    assert shown_difference("ef1", -0.05) == "-5.00"
    assert shown_difference("length", 0.0) == "0.0"
    assert shown_difference("ef1", -0.00001) == "0.00"
    assert shown_difference("ef1", None) == NOTHING


def test_an_interval_is_shown_by_its_bounds_or_half_its_width() -> None:
    interval = Interval(0.10, 0.16)
    assert shown_bounds("ef1", interval) == "[10.00, 16.00]"
    assert shown_spread("ef1", interval) == "±3.00"
    assert shown_bounds("length", Interval(80.0, 90.0)) == "[80.0, 90.0]"
    assert (shown_bounds("ef1", None), shown_spread("ef1", None)) == ("", "")


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.0, "<0.001"), (0.00099, "<0.001"), (0.001, "0.001"), (0.0456, "0.046"), (1.0, "1.000")],
)
def test_small_p_values_are_not_shown_as_zero(p: float, expected: str) -> None:
    assert shown_p(p) == expected


def test_a_p_that_cannot_be_told_is_a_dash() -> None:
    assert shown_p(None) == NOTHING


def test_a_metric_without_a_short_heading_is_named_in_full() -> None:
    assert heading("length_penalty").line == "length_penalty"
    assert heading("ecooc_inf").line == "ECooc ∞"
