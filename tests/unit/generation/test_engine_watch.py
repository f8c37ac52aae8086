"""What the watch makes of an engine's signs of life, by a clock that the tests turn."""

import asyncio
from contextlib import ExitStack

from services.generation.engine_watch import EngineWatch


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def watch(clock: Clock) -> EngineWatch:
    return EngineWatch(stall_s=100, release_s=10, clock=clock)


def test_an_engine_without_work_may_be_silent_for_ever() -> None:
    clock = Clock()
    idle = watch(clock)
    clock.now += 10_000
    assert idle.stalls_in_s() == 100
    assert not idle.complaint()
    assert not idle.is_suspect


def test_silence_counts_from_the_first_work() -> None:
    clock = Clock()
    busy = watch(clock)
    clock.now += 10_000
    with busy.working():
        clock.now += 60
        with busy.working():  # a second generation does not start the count again
            assert busy.stalls_in_s() == 40
            clock.now += 40
            assert busy.stalls_in_s() == 0
    # Everybody was sent away, yet the engine hangs as it did.
    assert busy.complaint() == "produced nothing for 100 s"


def test_a_token_for_anybody_ends_the_silence() -> None:
    clock = Clock()
    busy = watch(clock)
    with busy.working(), busy.working():
        clock.now += 99
        busy.heard()
        clock.now += 99
        assert busy.stalls_in_s() == 1
        assert not busy.complaint()


def test_a_late_token_takes_the_judgement_back() -> None:
    clock = Clock()
    slow = watch(clock)
    with slow.working():
        clock.now += 100
        assert slow.stalls_in_s() == 0
        assert slow.complaint()
        slow.heard()
        assert not slow.complaint()


def test_callers_who_never_stay_long_make_a_silent_engine_suspect_and_no_more() -> None:
    clock = Clock()
    abandoned = watch(clock)
    for _ in range(10):
        assert not abandoned.is_suspect
        with abandoned.working():
            clock.now += 10
            assert abandoned.stalls_in_s() == 90
        clock.now += 1000  # without work, which does not count
    # 10 x 10 s of work and not one token.
    assert abandoned.is_suspect
    assert not abandoned.complaint()
    abandoned.heard()
    assert not abandoned.is_suspect


async def test_what_was_told_to_end_has_its_time_to_do_so() -> None:
    clock = Clock()
    engine = watch(clock)
    ends = asyncio.Event()

    async def generate() -> None:
        await ends.wait()

    with ExitStack() as stack:
        tasks = [asyncio.create_task(generate()) for _ in range(2)]
        stack.callback(ends.set)
        engine.told_to_end(tasks[0])
        clock.now += 9
        engine.told_to_end(tasks[1])
        engine.told_to_end(tasks[0])  # told again: its time does not begin anew
        assert not engine.complaint()
        clock.now += 1
        assert engine.complaint() == "has not let go of 1 ended generations within 10 s"
        clock.now += 9
        assert engine.complaint() == "has not let go of 2 ended generations within 10 s"
    await asyncio.gather(*tasks)
    # Late, but free again.
    await asyncio.sleep(0)
    assert not engine.complaint()
