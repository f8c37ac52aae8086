"""How fast a count has grown over the last minute."""

from services.sweep.progress.counts import Pace


def test_the_pace_is_that_of_the_last_minute() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    pace.begin()
    now = 10.0
    pace.add(20)
    assert pace.per_s() == 2.0  # 20 in 10 s
    now = 100.0
    pace.add(180)
    assert pace.per_s() == 2.0  # 180 since the point at 10 s, 90 s ago
    now = 160.0
    assert pace.per_s() == 0.0  # none in the last 60 s


def test_what_has_not_begun_has_no_pace_and_waiting_for_a_turn_does_not_count() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    now = 500.0
    assert pace.per_s() == 0.0
    pace.begin()
    now = 510.0
    pace.add(30)
    assert pace.per_s() == 3.0


def test_what_was_over_before_anybody_looked_is_measured_from_the_last_look() -> None:
    now = 100.0
    pace = Pace(lambda: now)
    now = 104.0
    pace.idle()
    now = 106.0
    pace.add(8)
    assert pace.per_s() == 4.0
