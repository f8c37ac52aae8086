"""When refused callers are told to come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.return_times import ReturnTimes


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def ten_a_second(clock: Clock) -> ReturnTimes:
    """Has done 2,000 calls in 200 s, so that a few refusals weigh next to nothing."""
    times = ReturnTimes(clock)
    times.note_busy()
    for _ in range(2000):
        clock.now_s += 0.1
        times.note_done()
    return times


def test_callers_return_one_after_the_other_at_the_pace_of_the_work() -> None:
    times = ReturnTimes(clock := Clock())
    times.note_busy()
    for _ in range(20):
        clock.now_s += 0.1
        times.note_done()
    # The first when it is told it may. The second and third are 2 and 3 refused beside 20 done, so
    # they follow after 1 + 4 * 2/20 = 1.4 and 1 + 4 * 3/20 = 1.6 times the 0.1 s of a call.
    assert [times.next_s(0.5) for _ in range(3)] == pytest.approx([0.5, 0.64, 0.80])


def test_with_as_many_refused_as_served_they_return_at_a_fifth_of_the_pace() -> None:
    times = ten_a_second(Clock())
    told_s = [times.next_s() for _ in range(60)]  # it remembers at most 5 s, so 50 calls
    assert told_s[-1] - told_s[-2] == pytest.approx(0.5)


def test_times_that_have_passed_are_not_counted_any_more() -> None:
    clock = Clock()
    times = ten_a_second(clock)
    told_s = [times.next_s(0.5) for _ in range(10)][-1]
    clock.now_s += 1.0
    assert told_s - 1.0 < times.next_s(0.2) < told_s - 0.5  # in line behind the last
    clock.now_s += 60.0
    assert times.next_s(0.2) == pytest.approx(0.2)


def test_no_time_exceeds_the_longest() -> None:
    times = ten_a_second(Clock())
    told = [times.next_s(0.5) for _ in range(500)]
    assert told[-1] == max(told) == 30.0


def test_while_no_pace_is_known_the_time_is_that_of_the_work_ahead_or_a_second() -> None:
    times = ReturnTimes(Clock())
    assert times.next_s() == 1.0
    assert times.next_s(0.3) == 0.3


def test_a_rest_says_nothing_about_the_pace() -> None:
    clock = Clock()
    times = ten_a_second(clock)
    clock.now_s += 3600.0
    times.note_busy()
    clock.now_s += 0.1
    times.note_done()
    assert times.next_s(0.5) == 0.5
    assert times.next_s(0.5) < 0.8


def test_a_new_pace_is_learned_and_old_refusals_are_forgotten() -> None:
    clock = Clock()
    times = ten_a_second(clock)
    for _ in range(50):
        times.next_s()
    for _ in range(60):  # one a second from now on
        clock.now_s += 1.0
        times.note_done()
    # 60 s at the new pace; of the old, and of the refusals, next to nothing is left. The memory
    # holds about 4 calls, so that the first of now stretches what the second waits.
    told = [times.next_s(0.5), times.next_s(0.5)]
    assert told[0] == 0.5
    assert 1.0 < told[1] - told[0] < 5.0


@given(
    st.lists(
        st.one_of(st.just("busy"), st.just("done"), st.floats(0, 100), st.tuples(st.floats(0, 50)))
    )
)
def test_whatever_happens_times_are_in_range(steps: list[object]) -> None:
    clock = Clock()
    times = ReturnTimes(clock)
    for step in steps:
        if step == "busy":
            times.note_busy()
        elif step == "done":
            times.note_done()
        elif isinstance(step, float):
            clock.now_s += step
        elif isinstance(step, tuple):
            told_s = times.next_s(step[0])
            assert 0.1 <= told_s <= 30.0
