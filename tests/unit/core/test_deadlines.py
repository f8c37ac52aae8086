"""Who is late and who went away, as a server can tell them apart."""

import pytest

from services.core.deadlines import is_out_of_time


@pytest.mark.parametrize(
    ("left_s", "elapsed_s"),
    [
        (0.0, 0.3),
        (-0.5, 0.3),
        (0.015, 0.3),  # clocks differ
        # What gRPC made of deadlines after 5.001, 10.01, 15.02 and 150.3 s: rounded up to 5.01,
        # 10.1, 15.1 and 151 s.
        (0.009, 5.001),
        (0.09, 10.01),
        (0.08, 15.02),
        (0.7, 150.3),
    ],
)
def test_a_call_that_ends_about_when_its_time_is_up_is_late(
    left_s: float, elapsed_s: float
) -> None:
    assert is_out_of_time(left_s, elapsed_s)


@pytest.mark.parametrize(
    ("left_s", "elapsed_s"), [(None, 100.0), (0.1, 0.3), (0.2, 10.0), (5.0, 0.0), (10.0, 590.0)]
)
def test_a_call_that_had_time_left_was_given_up(left_s: float | None, elapsed_s: float) -> None:
    assert not is_out_of_time(left_s, elapsed_s)
