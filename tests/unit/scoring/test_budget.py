"""The bound on pending work."""

import asyncio

import pytest

from services.scoring.budget import Budget


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_there_is_no_room_beyond_the_items() -> None:
    budget = Budget(max_items=2, max_bytes=100)
    for _ in range(2):
        assert budget.has_room(1)
        budget.take_now(1)
    assert not budget.has_room(1)
    budget.give_back(1, done=True)
    assert budget.has_room(1)


def test_there_is_no_room_beyond_the_bytes_except_for_an_item_alone() -> None:
    budget = Budget(max_items=10, max_bytes=100)
    assert budget.has_room(150)
    budget.take_now(150)
    assert not budget.has_room(1)
    budget.give_back(150, done=True)
    budget.take_now(60)
    assert not budget.has_room(60)
    assert budget.has_room(40)


async def test_who_waits_gets_the_room_that_comes_back_in_turn() -> None:
    budget = Budget(max_items=1, max_bytes=100)
    budget.take_now(1)
    order: list[str] = []

    async def wait(name: str) -> None:
        await budget.take(1)
        order.append(name)
        budget.give_back(1, done=True)

    waiting = [asyncio.create_task(wait(name)) for name in "abc"]
    await asyncio.sleep(0)
    assert order == []
    budget.give_back(1, done=True)
    await asyncio.gather(*waiting)
    assert order == ["a", "b", "c"]


async def test_a_large_item_is_not_overtaken_for_ever_by_small_ones() -> None:
    budget = Budget(max_items=10, max_bytes=100)
    budget.take_now(50)
    budget.take_now(40)
    large = asyncio.create_task(budget.take(60))
    await asyncio.sleep(0)
    small = asyncio.create_task(budget.take(5))  # would fit
    await asyncio.sleep(0)
    budget.give_back(40, done=True)  # 50 of 100 are left, and the large one wants 60
    await asyncio.sleep(0)
    assert not large.done()
    assert not small.done()
    budget.give_back(50, done=True)
    await asyncio.wait_for(asyncio.gather(large, small), timeout=5)


@pytest.mark.parametrize("is_granted", [True, False])
async def test_who_gives_up_passes_the_room_on(is_granted: bool) -> None:
    budget = Budget(max_items=1, max_bytes=100)
    budget.take_now(1)
    first = asyncio.create_task(budget.take(1))
    second = asyncio.create_task(budget.take(1))
    await asyncio.sleep(0)
    if is_granted:
        budget.give_back(1, done=True)  # for the first, which is cancelled before it runs
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    if not is_granted:
        budget.give_back(1, done=True)
    await asyncio.wait_for(second, timeout=5)
    assert not budget.has_room(1)


def test_the_time_that_pending_work_takes_follows_from_the_pace() -> None:
    clock = Clock()
    budget = Budget(max_items=100, max_bytes=10_000, clock=clock)
    assert budget.drain_s() is None
    for _ in range(4):
        budget.take_now(100)
    clock.now_s = 0.5
    budget.give_back(100, done=True)
    # 100 bytes took 0.5 s, and 300 are left.
    assert budget.drain_s() == pytest.approx(1.5)


def test_idle_time_and_dropped_work_do_not_count_for_the_pace() -> None:
    clock = Clock()
    budget = Budget(max_items=100, max_bytes=10_000, clock=clock)
    budget.take_now(100)
    clock.now_s = 0.5
    budget.give_back(100, done=True)
    clock.now_s = 100.0
    budget.take_now(100)
    budget.take_now(1000)
    budget.give_back(1000, done=False)
    assert budget.drain_s() == pytest.approx(0.5)


def test_the_pace_of_long_ago_is_forgotten() -> None:
    clock = Clock()
    budget = Budget(max_items=1000, max_bytes=10**6, clock=clock)
    for _ in range(101):
        budget.take_now(1000)
    for _ in range(50):  # 1,000 bytes a second at first,
        clock.now_s += 1.0
        budget.give_back(1000, done=True)
    for _ in range(50):  # then ten times as much
        clock.now_s += 0.1
        budget.give_back(1000, done=True)
    assert budget.drain_s() == pytest.approx(0.1, rel=0.15)
