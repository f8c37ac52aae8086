"""The bound on pending work."""

import asyncio

import pytest

from services.scoring.budget import Budget


def test_room_is_refused_beyond_the_items() -> None:
    budget = Budget(max_items=2, max_bytes=100)
    assert [budget.try_take(1) for _ in range(3)] == [True, True, False]
    budget.give_back(1)
    assert budget.try_take(1)


def test_room_is_refused_beyond_the_bytes_except_to_an_item_alone() -> None:
    budget = Budget(max_items=10, max_bytes=100)
    assert budget.try_take(150)
    assert not budget.try_take(1)
    budget.give_back(150)
    assert budget.try_take(60)
    assert not budget.try_take(60)
    assert budget.try_take(40)


async def test_who_waits_gets_the_room_that_comes_back_in_turn() -> None:
    budget = Budget(max_items=1, max_bytes=100)
    assert budget.try_take(1)
    order: list[str] = []

    async def wait(name: str) -> None:
        await budget.take(1)
        order.append(name)
        budget.give_back(1)

    waiting = [asyncio.create_task(wait(name)) for name in "abc"]
    await asyncio.sleep(0)
    assert order == []
    budget.give_back(1)
    await asyncio.gather(*waiting)
    assert order == ["a", "b", "c"]


async def test_who_gives_up_passes_the_room_on() -> None:
    budget = Budget(max_items=1, max_bytes=100)
    assert budget.try_take(1)
    first = asyncio.create_task(budget.take(1))
    second = asyncio.create_task(budget.take(1))
    await asyncio.sleep(0)
    budget.give_back(1)  # wakes the first, which is cancelled before it runs
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, timeout=5)
    assert not budget.try_take(1)
