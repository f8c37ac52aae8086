"""Turns are handed out in order, within the limit, and none is lost."""

import asyncio

from services.sweep.run.concurrency import ConcurrencyController
from services.sweep.run.concurrency_gate import ConcurrencyGate


def gate(most: int) -> ConcurrencyGate:
    return ConcurrencyGate(ConcurrencyController(1, most))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_enter_than_may_and_the_first_to_come_is_the_next() -> None:
    way = gate(2)
    entered: list[int] = []

    async def enter(name: int) -> None:
        await way.enter()
        entered.append(name)

    tasks = [asyncio.ensure_future(enter(name)) for name in range(4)]
    await settle()
    assert entered == [0, 1]
    assert way.in_flight == 2
    way.leave()
    await settle()
    assert entered == [0, 1, 2]
    way.leave()
    await asyncio.gather(*tasks)
    assert entered == [0, 1, 2, 3]


async def test_a_limit_that_was_lowered_holds_until_enough_have_left() -> None:
    way = gate(5)
    numbers = [await way.enter() for _ in range(5)]
    assert numbers[0] is not None
    way.refused(numbers[0])
    assert way.limit == 4  # 5 * 0.8
    waiting = asyncio.ensure_future(way.enter())
    way.leave()
    await settle()
    assert not waiting.done()  # four are in, as many as may
    way.leave()
    await settle()
    assert waiting.done()
    assert way.in_flight == 4


async def test_a_turn_that_nobody_takes_any_more_goes_to_the_next() -> None:
    way = gate(1)
    await way.enter()
    gone, next_one = (asyncio.ensure_future(way.enter()) for _ in range(2))
    await settle()
    way.leave()  # calls up the first of the two, which is cancelled before it knows
    gone.cancel()
    await settle()
    assert gone.cancelled()
    assert next_one.done()
    assert way.in_flight == 1


async def test_whoever_is_cancelled_while_waiting_holds_nobody_up() -> None:
    way = gate(1)
    await way.enter()
    gone, next_one = (asyncio.ensure_future(way.enter()) for _ in range(2))
    await settle()
    gone.cancel()
    await settle()
    way.leave()
    await settle()
    assert next_one.done()
    assert way.in_flight == 1


async def test_a_closed_gate_turns_away_whoever_waits_or_comes() -> None:
    way = gate(1)
    await way.enter()
    waiting = asyncio.ensure_future(way.enter())
    await settle()
    way.close()
    assert await waiting is None
    assert await way.enter() is None
    assert way.in_flight == 1
    way.leave()
    assert way.in_flight == 0


async def test_who_wants_to_be_alone_waits_for_all_others_and_goes_before_those_who_come() -> None:
    way = gate(3)
    for _ in range(2):
        await way.enter()
    alone = [asyncio.ensure_future(way.enter(alone=True)) for _ in range(2)]
    later = asyncio.ensure_future(way.enter())
    await settle()
    assert not any(task.done() for task in (*alone, later))  # a third could be in, but for them
    way.leave()
    await settle()
    assert not alone[0].done()
    way.leave()
    await settle()
    assert [task.done() for task in (*alone, later)] == [True, False, False]
    way.leave()
    await settle()
    assert [task.done() for task in (*alone, later)] == [True, True, False]
    way.leave()
    await settle()
    assert later.done()
    assert way.in_flight == 1


async def test_who_no_longer_wants_to_be_alone_holds_nobody_up() -> None:
    way = gate(2)
    await way.enter()
    alone = asyncio.ensure_future(way.enter(alone=True))
    later = asyncio.ensure_future(way.enter())
    await settle()
    alone.cancel()
    await settle()
    assert later.done()
    assert way.in_flight == 2


async def test_a_closed_gate_turns_away_who_wants_to_be_alone() -> None:
    way = gate(2)
    await way.enter()
    alone = asyncio.ensure_future(way.enter(alone=True))
    await settle()
    way.close()
    assert await alone is None
    assert await way.enter(alone=True) is None


async def test_the_time_in_vain_begins_with_a_failure_and_ends_with_an_answer() -> None:
    now = 100.0
    way = ConcurrencyGate(ConcurrencyController(1, 4), lambda: now)
    number = await way.enter()
    assert number is not None
    now = 500.0
    assert way.in_vain_s == 0.0  # a first answer may take long
    way.lost()
    now = 530.0
    way.refused(number)
    now = 540.0
    assert way.in_vain_s == 40.0
    way.answered(number, 0.0, 1.0)
    assert way.in_vain_s == 0.0
