"""Work that waits for a worker, taken in turn from those who wait."""

import asyncio
import heapq
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ItemT = TypeVar("ItemT")


class Lane(Enum):
    """The two ways of asking for scores. Each gets half of the workers while both have work."""

    SINGLE = "single"
    STREAM = "stream"


class Caller:
    """Who waits for scores: one stream, or all single calls together.

    Args:
        lane: The half of the workers that it shares.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """How much a worker is given at once.

    Attributes:
        items: Most items.
        bytes: Most bytes; a single item may have more.
    """

    items: int
    bytes: int


class _Turns(Generic[KeyT]):
    """Says whose turn it is: among those who wait, of the one who was given least."""

    def __init__(self) -> None:
        self._given: list[tuple[float, int, KeyT]] = []
        self._waiting: set[KeyT] = set()
        self._order = count()
        self._now = 0.0

    def __bool__(self) -> bool:
        return bool(self._given)

    def join(self, key: KeyT) -> None:
        """Lets somebody wait, as one who was given no less than those who wait already."""
        if key not in self._waiting:
            self._waiting.add(key)
            heapq.heappush(self._given, (self._now, next(self._order), key))

    def next(self) -> KeyT:
        return self._given[0][2]

    def charge(self, cost: float) -> None:
        """Counts what the one whose turn it is was given."""
        self._now, _, key = self._given[0]
        heapq.heapreplace(self._given, (self._now + cost, next(self._order), key))

    def leave(self) -> None:
        """Ends the waiting of the one whose turn it is."""
        _, _, key = heapq.heappop(self._given)
        self._waiting.remove(key)


class FairQueue(Generic[ItemT]):
    """A queue in which nobody waits for another's long list.

    Bytes are shared out evenly: between the two lanes while both wait, and between the streams
    within theirs. Whoever has many items or long ones waits longer, the others do not.
    """

    def __init__(self) -> None:
        self._lanes: _Turns[Lane] = _Turns()
        self._callers: dict[Lane, _Turns[Caller]] = {lane: _Turns() for lane in Lane}
        self._waiting: dict[Caller, OrderedDict[ItemT, int]] = {}
        self._size = 0
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return self._size

    def put(self, caller: Caller, item: ItemT, cost_bytes: int) -> None:
        """Appends an item to those of its caller."""
        waiting = self._waiting.get(caller)
        if waiting is None:
            waiting = self._waiting[caller] = OrderedDict()
            self._lanes.join(caller.lane)
            self._callers[caller.lane].join(caller)
        waiting[item] = cost_bytes
        self._size += 1
        self._filled.set()

    def remove(self, caller: Caller, item: ItemT) -> None:
        """Takes an item out, if it still waits."""
        waiting = self._waiting.get(caller)
        if waiting is not None and waiting.pop(item, None) is not None:
            self._size -= 1

    async def take(self, bounds: BatchBounds, takers: int) -> list[ItemT]:
        """Waits for items and takes a batch of them.

        Args:
            bounds: How large the batch may be.
            takers: Among how many workers to spread what waits.
        """
        while not (batch := self._take_now(bounds, takers)):
            self._filled.clear()
            await self._filled.wait()
        return batch

    def _take_now(self, bounds: BatchBounds, takers: int) -> list[ItemT]:
        batch: list[ItemT] = []
        most_items = min(bounds.items, -(-self._size // takers))
        room_bytes = bounds.bytes
        while len(batch) < most_items:
            caller = self._next_caller()
            waiting = self._waiting[caller]
            cost_bytes = next(iter(waiting.values()))
            if batch and cost_bytes > room_bytes:
                break
            item, _ = waiting.popitem(last=False)
            self._size -= 1
            room_bytes -= cost_bytes
            self._lanes.charge(cost_bytes)
            self._callers[caller.lane].charge(cost_bytes)
            batch.append(item)
        return batch

    def _next_caller(self) -> Caller:
        """Whose item is next; forgets on the way those who have none left."""
        while True:
            callers = self._callers[self._lanes.next()]
            if not callers:
                self._lanes.leave()
                continue
            caller = callers.next()
            if self._waiting[caller]:
                return caller
            callers.leave()
            del self._waiting[caller]
