"""Who gets the workers when many wait."""

import asyncio
from collections import Counter

from services.scoring.fair_queue import BatchBounds, Caller, FairQueue, Lane

ONE = BatchBounds(items=1, bytes=1)


def put(queue: FairQueue[str], caller: Caller, name: str, count: int, cost_bytes: int = 10) -> None:
    for number in range(count):
        queue.put(caller, f"{name} {number} of {id(caller)}", cost_bytes)


async def kinds(queue: FairQueue[str], count: int) -> Counter[str]:
    return Counter(item.split()[0] for item in await taken(queue, count))


async def taken(queue: FairQueue[str], count: int) -> list[str]:
    return [item for _ in range(count) for item in await queue.take(ONE, takers=1)]


async def test_items_of_one_caller_stay_in_order() -> None:
    queue: FairQueue[str] = FairQueue()
    caller = Caller(Lane.STREAM)
    for name in "abcd":
        queue.put(caller, name, 1)
    assert await taken(queue, 4) == list("abcd")
    assert len(queue) == 0


async def test_a_short_list_does_not_wait_for_a_long_one() -> None:
    queue: FairQueue[str] = FairQueue()
    long, short = Caller(Lane.STREAM), Caller(Lane.STREAM)
    put(queue, long, "long", 100, 10)
    put(queue, short, "short", 3, 10)
    assert (await kinds(queue, 6))["short"] == 3


async def test_streams_leave_half_to_single_calls_however_many_they_are() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(20):
        stream = Caller(Lane.STREAM)
        put(queue, stream, "stream", 50, 10)
    singles = Caller(Lane.SINGLE)
    put(queue, singles, "single", 50, 10)
    assert await kinds(queue, 60) == {"single": 30, "stream": 30}


async def test_single_calls_leave_half_to_streams() -> None:
    queue: FairQueue[str] = FairQueue()
    singles, stream = Caller(Lane.SINGLE), Caller(Lane.STREAM)
    put(queue, singles, "single", 1000, 10)
    put(queue, stream, "stream", 30, 10)
    assert await kinds(queue, 60) == {"single": 30, "stream": 30}


async def test_long_items_count_by_their_length() -> None:
    queue: FairQueue[str] = FairQueue()
    long, short = Caller(Lane.STREAM), Caller(Lane.STREAM)
    put(queue, long, "long", 10, 100)
    put(queue, short, "short", 100, 10)
    # While 2 long items are taken, 200 bytes, the other gets 200 bytes too: 20 items.
    assert await kinds(queue, 22) == {"long": 2, "short": 20}


async def test_nobody_saves_up_turns_while_away() -> None:
    queue: FairQueue[str] = FairQueue()
    busy, late = Caller(Lane.STREAM), Caller(Lane.STREAM)
    put(queue, busy, "busy", 200, 10)
    await taken(queue, 100)
    put(queue, late, "late", 100, 10)
    found = await kinds(queue, 20)
    assert abs(found["late"] - found["busy"]) <= 2


async def test_an_item_that_is_removed_is_not_taken() -> None:
    queue: FairQueue[str] = FairQueue()
    caller, other = Caller(Lane.STREAM), Caller(Lane.SINGLE)
    for name in "abc":
        queue.put(caller, name, 1)
    queue.put(other, "d", 1)
    queue.remove(caller, "b")
    queue.remove(caller, "b")
    queue.remove(other, "d")
    assert len(queue) == 2
    assert await taken(queue, 2) == ["a", "c"]
    queue.put(other, "e", 1)
    queue.put(caller, "f", 1)
    assert sorted(await taken(queue, 2)) == ["e", "f"]


async def test_a_batch_is_bounded_by_items_and_by_bytes_and_a_large_item_goes_alone() -> None:
    queue: FairQueue[str] = FairQueue()
    caller = Caller(Lane.STREAM)
    for name, cost in zip("abcdef", (10, 10, 10, 60, 500, 10), strict=True):
        queue.put(caller, name, cost)
    bounds = BatchBounds(items=3, bytes=100)
    batches = [await queue.take(bounds, takers=1) for _ in range(4)]
    assert batches == [["a", "b", "c"], ["d"], ["e"], ["f"]]


async def test_few_items_are_spread_over_the_workers() -> None:
    queue: FairQueue[str] = FairQueue()
    caller = Caller(Lane.STREAM)
    for name in "abcde":
        queue.put(caller, name, 1)
    bounds = BatchBounds(items=16, bytes=100)
    # A third of what is there, rounded up.
    assert [len(await queue.take(bounds, takers=3)) for _ in range(4)] == [2, 1, 1, 1]


async def test_who_finds_nothing_waits_for_the_next_item() -> None:
    queue: FairQueue[str] = FairQueue()
    takers = [asyncio.create_task(queue.take(ONE, takers=2)) for _ in range(2)]
    await asyncio.sleep(0)
    caller = Caller(Lane.SINGLE)
    queue.put(caller, "a", 1)
    await asyncio.sleep(0.01)
    assert sum(taker.done() for taker in takers) == 1
    queue.put(caller, "b", 1)
    assert sorted(await asyncio.gather(*takers)) == [["a"], ["b"]]
