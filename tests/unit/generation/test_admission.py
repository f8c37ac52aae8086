"""How many calls a front sends on, and what it tells those that it refuses."""

import asyncio
import itertools
import math
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import DeadlineExceededError, ModelFailedError, OverloadedError
from services.generation.admission import Admission, places_of
from services.generation.catalog import Catalog, ScalingSpec
from services.generation.domain import Lane, ModelCondition, ModelState
from services.generation.durations import Durations
from services.generation.lanes import ModelQueue, Ticket, reserve
from tests.unit.generation.builders import scripted_spec


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def queue(clock: Clock, places: int = 1, max_waiting: int = 10, share: float = 0.0) -> ModelQueue:
    return ModelQueue(
        "m", places=places, max_waiting=max_waiting, interactive_share=share, clock=clock
    )


async def answer(line: ModelQueue, clock: Clock, duration_s: float, lane: Lane) -> None:
    async with line.place(Ticket(lane)):
        clock.now += duration_s


@pytest.mark.parametrize(
    ("ready", "places"),
    [
        (0, 10),  # one replica's worth wakes the model
        (1, 16),  # 10, but autoscaling aims at 8 a replica: 16 / 8 asks for a second one
        (2, 24),  # 20 likewise
        (3, 30),  # no more replicas may come
    ],
)
def test_as_many_calls_are_sent_on_as_replicas_take_and_autoscaling_needs_to_see(
    ready: int, places: int
) -> None:
    scaling = ScalingSpec(max_replicas=3, target_ongoing_requests=8, max_ongoing_requests=10)
    assert places_of(scaling, ready) == places


@given(
    ready=st.integers(0, 20),
    most=st.integers(1, 20),
    target=st.floats(0.1, 64),
    ongoing=st.integers(1, 64),
)
def test_a_full_front_always_makes_autoscaling_ask_for_one_more_replica(
    ready: int, most: int, target: float, ongoing: int
) -> None:
    target = min(target, ongoing)
    scaling = ScalingSpec(
        max_replicas=most, target_ongoing_requests=target, max_ongoing_requests=ongoing
    )
    places = places_of(scaling, ready)
    assert places >= ready * ongoing
    if ready < most:
        # Ray Serve: desired replicas = ceil(ongoing and queued requests / target).
        assert math.ceil(places / target) >= ready + 1


@pytest.mark.parametrize(
    ("whole", "share", "kept"), [(32, 0.125, 4), (4, 0.125, 1), (1, 0.9, 0), (0, 0.5, 0), (8, 0, 0)]
)
def test_what_is_kept_for_interactive_calls_is_at_least_one_and_never_all(
    whole: int, share: float, kept: int
) -> None:
    assert reserve(whole, share) == kept


def test_durations_average_what_came_lately() -> None:
    durations = Durations()
    assert durations.mean_s is None
    durations.note(1.0)
    assert durations.mean_s == 1.0
    # A sixteenth of the way from 1 to 17.
    durations.note(17.0)
    assert durations.mean_s == 2.0
    for _ in range(500):
        durations.note(3.0)
    assert durations.mean_s == pytest.approx(3.0)
    assert durations.likely_most_s == pytest.approx(3.0)


def test_most_calls_stay_below_two_deviations_over_the_average() -> None:
    durations = Durations()
    durations.note(1.0)
    # The first deviation is taken to be half of the first duration.
    assert durations.likely_most_s == 2.0
    durations.note(17.0)
    # Off by 16 where 0.5 was usual: a sixteenth of the way from 0.5 to 16 is 1.46875.
    assert durations.likely_most_s == 2.0 + 2 * 1.46875


async def test_the_refused_come_back_one_after_the_other_at_the_pace_of_the_work() -> None:
    clock = Clock()
    line = queue(clock, max_waiting=0)
    for _ in range(4):
        await answer(line, clock, 2.0, Lane.SWEEP)
    async with line.place(Ticket(Lane.SWEEP)):
        delays = []
        for _ in range(3):
            with pytest.raises(OverloadedError) as caught:
                await line.place(Ticket(Lane.SWEEP)).__aenter__()
            delays.append(caught.value.retry_after_s)
    # One answer takes two seconds; the more are refused, the further apart they return.
    gaps = [later - earlier for earlier, later in itertools.pairwise(delays)]
    assert all(gap >= 2.0 for gap in gaps)


@pytest.mark.parametrize(
    ("left_s", "is_refused"),
    [
        # Two wait and one runs, 2 s each: its turn comes after 6 s, and its answer 2 s later.
        (7.5, True),
        (8.5, False),
    ],
)
async def test_what_cannot_be_answered_in_time_is_refused_at_once(
    left_s: float, is_refused: bool
) -> None:
    clock = Clock()
    line = queue(clock)
    for _ in range(100):
        await answer(line, clock, 2.0, Lane.SWEEP)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(line.place(Ticket(Lane.SWEEP)))
        waiting = [asyncio.create_task(hold(line, Ticket(Lane.SWEEP))) for _ in range(2)]
        await asyncio.sleep(0)
        one_more = asyncio.create_task(hold(line, Ticket(Lane.SWEEP, "", clock.now + left_s)))
        await asyncio.sleep(0)
        assert line.waiting_count(Lane.SWEEP) == (2 if is_refused else 3)
    if is_refused:
        with pytest.raises(OverloadedError) as caught:
            await one_more
        assert caught.value.metadata["likely_s"] == "8"
    else:
        await one_more
    await asyncio.gather(*waiting)


@pytest.mark.parametrize(("left_s", "is_refused"), [(3.5, True), (4.5, False)])
async def test_a_sweep_does_not_count_on_the_places_that_interactive_calls_leave(
    left_s: float, is_refused: bool
) -> None:
    clock = Clock()
    line = queue(clock, places=2)
    for lane in Lane:
        for _ in range(100):
            await answer(line, clock, 2.0, lane)
    async with line.place(Ticket(Lane.INTERACTIVE)), line.place(Ticket(Lane.SWEEP)):
        # 2 s until the sweep's one place is free, and 2 s for the answer.
        asks = asyncio.create_task(hold(line, Ticket(Lane.SWEEP, "", clock.now + left_s)))
        await asyncio.sleep(0)
        assert line.waiting_count(Lane.SWEEP) == (0 if is_refused else 1)
    if is_refused:
        with pytest.raises(OverloadedError):
            await asks
    else:
        await asks


async def test_a_call_whose_deadline_has_passed_is_told_so_and_not_to_come_back() -> None:
    clock = Clock()
    line = queue(clock)
    for _ in range(100):
        await answer(line, clock, 2.0, Lane.SWEEP)
    late = Ticket(Lane.INTERACTIVE, "", clock.now - 0.001)
    async with line.place(Ticket(Lane.INTERACTIVE)):
        with pytest.raises(DeadlineExceededError):
            await line.place(late).__aenter__()


async def test_a_call_whose_pace_is_not_known_waits() -> None:
    clock = Clock()
    line = queue(clock)
    async with line.place(Ticket(Lane.SWEEP)):
        soon = asyncio.create_task(hold(line, Ticket(Lane.SWEEP, "", clock.now + 0.05)))
        await asyncio.sleep(0)
        assert line.waiting_count(Lane.SWEEP) == 1
        with pytest.raises(DeadlineExceededError):
            await soon
        assert line.waiting_count(Lane.SWEEP) == 0


async def test_failed_and_cancelled_calls_say_nothing_about_the_pace() -> None:
    clock = Clock()
    line = queue(clock)
    await answer(line, clock, 2.0, Lane.SWEEP)
    with pytest.raises(ZeroDivisionError):
        async with line.place(Ticket(Lane.SWEEP)):
            clock.now += 1_000.0
            raise ZeroDivisionError
    async with line.place(Ticket(Lane.SWEEP)):
        # One runs: 2 s until its turn, and 2 s for its answer, give or take 2 s.
        waits = asyncio.create_task(hold(line, Ticket(Lane.SWEEP, "", clock.now + 7.0)))
        await asyncio.sleep(0)
        assert line.waiting_count(Lane.SWEEP) == 1
    await waits


async def test_calls_that_wake_a_model_say_nothing_about_the_pace() -> None:
    clock = Clock()
    line = queue(clock)
    line.resize(1, is_awake=False)
    async with line.place(Ticket(Lane.SWEEP)):
        clock.now += 100.0
        line.resize(1)
    await answer(line, clock, 2.0, Lane.SWEEP)
    async with line.place(Ticket(Lane.SWEEP)):
        waits = asyncio.create_task(hold(line, Ticket(Lane.SWEEP, "", clock.now + 7.0)))
        await asyncio.sleep(0)
        assert line.waiting_count(Lane.SWEEP) == 1
    await waits


async def test_a_model_that_is_changed_lets_as_many_wait_as_its_entry_says() -> None:
    specs = [
        scripted_spec("m").model_copy(
            update={
                "scaling": ScalingSpec(
                    target_ongoing_requests=1, max_ongoing_requests=1, max_queued_requests=waiting
                )
            }
        )
        for waiting in (0, 1)
    ]
    admission = Admission(Catalog({"m": specs[0]}), interactive_share=0.0)
    async with admission.place(specs[0], Ticket(Lane.SWEEP)):
        with pytest.raises(OverloadedError):
            await admission.place(specs[0], Ticket(Lane.SWEEP)).__aenter__()
        admission.use_catalog(Catalog({"m": specs[1]}))
        waits = asyncio.create_task(hold(admission.queue("m"), Ticket(Lane.SWEEP)))
        await asyncio.sleep(0)
        assert admission.queue("m").waiting_count(Lane.SWEEP) == 1
    await waits


async def test_calls_to_a_model_without_a_replica_say_nothing_about_the_pace() -> None:
    clock = Clock()
    spec = scripted_spec("m").model_copy(
        update={"scaling": ScalingSpec(target_ongoing_requests=1, max_ongoing_requests=1)}
    )
    admission = Admission(Catalog({"m": spec}), interactive_share=0.0, clock=clock)
    admission.adjust({"m": ModelCondition(ModelState.SCALED_TO_ZERO, wakes=True)})
    line = admission.queue("m")
    await answer(line, clock, 100.0, Lane.SWEEP)
    async with line.place(Ticket(Lane.SWEEP)):
        waits = asyncio.create_task(hold(line, Ticket(Lane.SWEEP, "", clock.now + 7.0)))
        await asyncio.sleep(0)
        assert line.waiting_count(Lane.SWEEP) == 1
    await waits


async def test_those_who_wait_for_a_model_that_failed_are_told_why() -> None:
    spec = scripted_spec("m").model_copy(
        update={"scaling": ScalingSpec(target_ongoing_requests=1, max_ongoing_requests=1)}
    )
    admission = Admission(Catalog({"m": spec}), interactive_share=0.5)
    async with admission.place(spec, Ticket(Lane.SWEEP)):
        waits = asyncio.create_task(hold(admission.queue("m"), Ticket(Lane.SWEEP)))
        await asyncio.sleep(0)
        admission.adjust({"m": ModelCondition(ModelState.FAILED, "no memory")})
        with pytest.raises(ModelFailedError, match="no memory"):
            await waits
    assert admission.queue("m").running_count == 0


async def hold(line: ModelQueue, ticket: Ticket) -> None:
    async with line.place(ticket):
        await asyncio.sleep(0)
