import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sweep.report.charts.scales import Scale, from_zero, of_times, plain, spanning

_MINUS = "\N{MINUS SIGN}"


def test_a_linear_scale_divides_its_room_evenly() -> None:
    scale = Scale(0.0, 10.0, 100.0, 300.0)
    # 20 units a step of 1.
    assert [scale.at(value) for value in (0, 2.5, 10)] == [100.0, 150.0, 300.0]


def test_a_scale_may_rise_up_a_picture() -> None:
    scale = Scale(0.0, 10.0, 200.0, 100.0)
    assert scale.at(10) == 100.0
    assert scale.at(2) == 180.0


def test_equal_ratios_take_equal_room_on_a_logarithmic_scale() -> None:
    scale = Scale(1.0, 100.0, 0.0, 200.0, is_logarithmic=True)
    assert scale.at(10.0) == pytest.approx(100.0)
    assert scale.at(100.0) == pytest.approx(200.0)


@pytest.mark.parametrize("is_logarithmic", [False, True])
def test_what_is_outside_of_a_scale_is_put_at_its_end(is_logarithmic: bool) -> None:
    scale = Scale(1.0, 10.0, 50.0, 90.0, is_logarithmic)
    assert scale.at(0.0) == 50.0
    assert scale.at(1e9) == 90.0


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        # 300 units have room for 7 numbers: 10 / 7, and the next round step is 2.
        (Scale(0, 10, 0, 300), ["0", "2", "4", "6", "8", "10"]),
        # 26 / 7 = 3.7, and the next round step is 5.
        (Scale(0, 26, 0, 300), ["0", "5", "10", "15", "20", "25"]),
        # 1.5 / 7 = 0.21, and the next round step is 0.25.
        (Scale(0, 1.5, 0, 300), ["0.00", "0.25", "0.50", "0.75", "1.00", "1.25", "1.50"]),
        (Scale(-0.2, 0.2, 0, 240), [f"{_MINUS}0.2", f"{_MINUS}0.1", "0.0", "0.1", "0.2"]),
        (Scale(0, 4000, 0, 240), ["0", "1,000", "2,000", "3,000", "4,000"]),
    ],
)  # fmt: skip
def test_ticks_stand_at_round_values(scale: Scale, labels: list[str]) -> None:
    assert [tick.label for tick in scale.ticks()] == labels


def test_there_may_be_a_limit_to_the_number_of_ticks() -> None:
    # 10 / 2 = 5.
    assert [tick.value for tick in Scale(0, 10, 0, 600).ticks(2)] == [0, 5, 10]


def test_ticks_of_a_logarithmic_scale_are_decades_and_their_halves_and_fifths() -> None:
    scale = Scale(0.1, 10.0, 0.0, 600.0, is_logarithmic=True)
    labels = ["0.1", "0.2", "0.5", "1", "2", "5", "10"]
    assert [tick.label for tick in scale.ticks()] == labels
    # With room for 2, the decades alone.
    assert [tick.label for tick in scale.ticks(2)] == ["0.1", "1", "10"]


@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
    room=st.floats(10.0, 900.0),
)
def test_ticks_lie_on_their_scale_in_order_and_there_is_at_least_one(
    low: float, span: float, room: float
) -> None:
    scale = Scale(low, low + span, 0.0, room)
    values = [tick.value for tick in scale.ticks()]
    room_for_rounding = 1e-6 * max(abs(low), span)
    # A step is less than twice the least one, of which `wanted` (2 or more) go into the span.
    assert 1 <= len(values) <= max(2, round(room / 44)) + 1
    assert values == sorted(set(values))
    assert values[0] >= low - room_for_rounding
    assert values[-1] <= low + span + room_for_rounding


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([10.0, 35.0], 9.0, 36.0),  # 4 % of 25 to each side
        ([0.0, 25.0], 0.0, 26.0),  # values that are never below 0 have an axis from 0 at least
        ([-5.0, 20.0], -6.0, 21.0),
        ([5.0, 5.0], 4.0, 6.0),  # one value alone: some room around it
        ([30.0], 27.0, 33.0),
        ([0.0], 0.0, 1.0),
        ([], 0.0, 1.04),
    ],
)
def test_a_scale_spans_its_values_with_some_room(
    values: list[float], low: float, high: float
) -> None:
    scale = spanning(values, 0.0, 100.0)
    assert (scale.low, scale.high) == pytest.approx((low, high))


def test_a_scale_of_differences_has_room_below_0() -> None:
    scale = spanning([0.0, 25.0], 0.0, 100.0, is_signed=True)
    assert (scale.low, scale.high) == (-1.0, 26.0)


def test_values_that_differ_by_rounding_alone_have_room_around_them() -> None:
    scale = spanning([0.1 + 0.2, 0.3], 0.0, 100.0)
    assert scale.high - scale.low > 0.5


@pytest.mark.parametrize(("values", "high"), [([3.0, 8.0], 8.0), ([], 1.0), ([0.0], 1.0)])
def test_a_scale_of_bars_begins_at_0(values: list[float], high: float) -> None:
    assert from_zero(values, 5.0, 10.0) == Scale(0.0, high, 5.0, 10.0)


def test_times_that_differ_much_get_a_logarithmic_scale() -> None:
    assert not of_times([1.0, 39.0], 0.0, 1.0).is_logarithmic
    scale = of_times([0.0, 1.0, 41.0], 0.0, 1.0)
    assert scale.is_logarithmic
    assert scale.low < 1.0
    assert scale.high > 41.0


def test_times_that_are_all_0_have_a_scale() -> None:
    assert of_times([0.0], 0.0, 1.0) == Scale(0.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1234.5, 1, "1,234.5"), (-1.25, 2, f"{_MINUS}1.25"), (-0.004, 2, "0.00"), (0.0, 0, "0")],
)  # fmt: skip
def test_numbers_have_a_real_minus_sign_and_no_negative_0(
    value: float, decimals: int, text: str
) -> None:
    assert plain(value, decimals) == text
