"""Who leaves the waiting room together."""

import asyncio
from dataclasses import dataclass

from services.generation.domain import Lane
from services.generation.engines.waiting import WaitingRoom


@dataclass(frozen=True, slots=True)
class Guest:
    name: str
    group: str = "one"


async def names(room: WaitingRoom[Guest], most: int) -> list[str]:
    return [guest.name for guest in await room.next_group(most, 0)]


async def test_those_of_one_group_leave_together_in_order() -> None:
    room: WaitingRoom[Guest] = WaitingRoom()
    for guest in (Guest("a"), Guest("b", "two"), Guest("c"), Guest("d")):
        room.enter(guest, Lane.INTERACTIVE)
    assert await names(room, 2) == ["a", "c"]
    assert await names(room, 2) == ["b"]
    assert await names(room, 2) == ["d"]
    assert len(room) == 0


async def test_the_interactive_lane_goes_first_and_a_sweep_fills_up() -> None:
    room: WaitingRoom[Guest] = WaitingRoom()
    room.enter(Guest("sweep"), Lane.SWEEP)
    room.enter(Guest("other", "two"), Lane.SWEEP)
    room.enter(Guest("asks"), Lane.INTERACTIVE)
    assert await names(room, 3) == ["asks", "sweep"]
    assert await names(room, 3) == ["other"]


async def test_an_empty_room_waits_and_whoever_left_is_not_served() -> None:
    room: WaitingRoom[Guest] = WaitingRoom()
    gone = Guest("gone")
    room.enter(gone, Lane.SWEEP)
    room.leave(gone)
    room.leave(gone)
    waiting = asyncio.create_task(names(room, 4))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    room.enter(Guest("here"), Lane.SWEEP)
    assert await waiting == ["here"]


async def test_a_little_patience_brings_more_into_a_batch() -> None:
    room: WaitingRoom[Guest] = WaitingRoom()
    room.enter(Guest("first"), Lane.INTERACTIVE)
    waiting = asyncio.create_task(room.next_group(8, 0.2))
    await asyncio.sleep(0.01)
    room.enter(Guest("second"), Lane.INTERACTIVE)
    assert [guest.name for guest in await waiting] == ["first", "second"]


async def test_a_full_batch_does_not_wait() -> None:
    room: WaitingRoom[Guest] = WaitingRoom()
    for name in "ab":
        room.enter(Guest(name), Lane.INTERACTIVE)
    taken = await asyncio.wait_for(room.next_group(2, 3600), 60)
    assert [guest.name for guest in taken] == ["a", "b"]
