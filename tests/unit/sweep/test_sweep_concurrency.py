"""How many questions are in flight: the controller, by rounds worked out by hand."""

from hypothesis import given
from hypothesis import strategies as st

from services.sweep.run.concurrency import ConcurrencyController


def play_round(controller: ConcurrencyController, waited_s: float, served_s: float) -> int:
    """Asks and answers as many questions as may be in flight; gives the limit after that."""
    numbers = [controller.began() for _ in range(controller.limit)]
    for number in numbers:
        controller.answered(number, waited_s, served_s)
    return controller.limit


def refuse(controller: ConcurrencyController, calls: int = 1) -> int:
    for number in [controller.began() for _ in range(calls)]:
        controller.refused(number)
    return controller.limit


def test_it_begins_with_the_most_and_stays_there_while_nothing_waits() -> None:
    controller = ConcurrencyController(1, 32)
    assert controller.limit == 32
    assert [play_round(controller, 0.0, 2.0) for _ in range(3)] == [32, 32, 32]


def test_a_refusal_takes_a_fifth_away() -> None:
    # 40 * 0.8 = 32, 32 * 0.8 = 25.6
    controller = ConcurrencyController(1, 40)
    assert refuse(controller) == 32
    assert refuse(controller) == 25


def test_refusals_of_calls_that_were_in_flight_together_count_once() -> None:
    assert refuse(ConcurrencyController(1, 40), calls=17) == 32


def test_it_never_goes_below_the_least_nor_below_one() -> None:
    controller = ConcurrencyController(3, 5)
    assert [refuse(controller) for _ in range(4)] == [4, 3, 3, 3]
    lonely = ConcurrencyController(1, 2)
    assert [refuse(lonely) for _ in range(3)] == [1, 1, 1]


def test_after_a_refusal_it_grows_by_a_quarter_and_stops_once_below_its_place() -> None:
    controller = ConcurrencyController(1, 100)
    refuse(controller)  # at 100: 80 remain
    # 80 + 20 = 100, but one below the place of the refusal is 99.
    assert play_round(controller, 0.0, 2.0) == 99
    assert play_round(controller, 0.0, 2.0) == 100


def test_it_grows_beyond_the_place_of_a_refusal_once_that_many_are_taken() -> None:
    controller = ConcurrencyController(1, 100)
    refuse(controller)  # 80
    refuse(controller)  # at 80: 64
    # 64 + 16 = 80, cut to 79; then 80; taken whole, so 80 + 20 = 100.
    assert [play_round(controller, 0.0, 2.0) for _ in range(3)] == [79, 80, 100]


def test_a_long_queue_takes_a_tenth_away_in_each_round() -> None:
    # Waiting 5 s for 2 s of work: 2.5 calls wait for each that is worked on, more than 2.
    controller = ConcurrencyController(1, 40)
    assert [play_round(controller, 5.0, 2.0) for _ in range(2)] == [36, 32]


def test_a_queue_between_the_bounds_is_left_as_it_is() -> None:
    # Waiting 3 s for 2 s of work: 1.5 calls wait for each that is worked on.
    controller = ConcurrencyController(1, 40)
    refuse(controller)
    assert [play_round(controller, 3.0, 2.0) for _ in range(3)] == [32, 32, 32]


def test_waits_of_a_fraction_of_a_second_are_no_queue() -> None:
    # A model that answers in a millisecond: 0.4 s are many times that, and yet nothing.
    controller = ConcurrencyController(1, 40)
    assert [play_round(controller, 0.4, 0.001) for _ in range(3)] == [40, 40, 40]


def test_answers_to_questions_asked_before_a_change_do_not_count() -> None:
    controller = ConcurrencyController(1, 10)
    early = [controller.began() for _ in range(10)]
    controller.refused(early[0])
    assert controller.limit == 8
    for number in early[1:]:
        controller.answered(number, 0.0, 2.0)
        controller.refused(number)
    assert controller.limit == 8


def test_a_lost_engine_begins_the_round_again_and_changes_nothing() -> None:
    controller = ConcurrencyController(1, 10)
    refuse(controller)
    numbers = [controller.began() for _ in range(8)]
    for number in numbers[:7]:
        controller.answered(number, 0.0, 2.0)
    controller.lost()
    controller.answered(numbers[7], 0.0, 2.0)  # the eighth answer, and the first of the new round
    assert controller.limit == 8
    assert play_round(controller, 0.0, 2.0) > 8


EVENTS = st.lists(
    st.one_of(
        st.just("refused"),
        st.just("lost"),
        st.tuples(st.floats(0, 100), st.floats(0, 100)),
    ),
    max_size=200,
)


@given(least=st.integers(1, 50), more=st.integers(0, 50), events=EVENTS)
def test_it_stays_within_its_bounds_whatever_happens(
    least: int, more: int, events: list[str | tuple[float, float]]
) -> None:
    controller = ConcurrencyController(least, least + more)
    for event in events:
        number = controller.began()
        if event == "refused":
            controller.refused(number)
        elif event == "lost":
            controller.lost()
        elif not isinstance(event, str):
            controller.answered(number, *event)
        assert least <= controller.limit <= least + more


def simulated_limits(slots: int, most: int, rounds: int) -> list[int]:
    """An engine that works on so many at a time for 2 s each; the others wait their turn."""
    controller = ConcurrencyController(1, most)
    limits = []
    for _ in range(rounds):
        # In a steady state all wait for the turns of those before them: Little's law.
        waited_s = max(0.0, controller.limit / slots - 1) * 2.0
        limits.append(play_round(controller, waited_s, 2.0))
    return limits


def test_an_engine_keeps_as_many_waiting_as_working_at_least_and_at_most_twice_as_many() -> None:
    # 10 slots: with 30 in flight 20 wait, twice those that are worked on; the limit goes no lower.
    limits = simulated_limits(slots=10, most=200, rounds=40)
    assert limits[-1] == limits[-2]
    assert 20 <= limits[-1] <= 30


def test_an_engine_that_grows_is_followed() -> None:
    controller = ConcurrencyController(1, 200)
    for slots in (10, 40):
        for _ in range(60):
            play_round(controller, max(0.0, controller.limit / slots - 1) * 2.0, 2.0)
        assert 2 * slots <= controller.limit <= 3 * slots
