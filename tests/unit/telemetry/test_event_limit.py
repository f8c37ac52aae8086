"""Of a kind of event so many are written in a window, and in the next as many again."""

from services.telemetry.event_limit import EventLimit


class Clock:
    now = 10.0

    def __call__(self) -> float:
        return self.now


def test_the_first_of_every_kind_pass_and_the_next_window_begins_anew() -> None:
    clock = Clock()
    limit = EventLimit(2.0, clock)
    assert [limit.allows("a", 2) for _ in range(4)] == [True, True, False, False]
    assert limit.allows("b", 1)
    clock.now = 11.5
    assert not limit.allows("a", 2)
    assert limit.rest_s == 0.5
    clock.now = 12.0
    assert limit.allows("a", 2)
    # The window began with this event.
    assert limit.rest_s == 2.0


def test_a_window_that_is_over_has_no_time_left() -> None:
    clock = Clock()
    limit = EventLimit(2.0, clock)
    clock.now = 100.0
    assert limit.rest_s == 0.0
