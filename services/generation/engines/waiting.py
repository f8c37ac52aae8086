"""Requests that wait for a batch: the interactive lane first, then in order of arrival."""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from services.generation.domain import Lane


class Waiter(Protocol):
    """What can wait."""

    @property
    def group(self) -> Hashable:
        """Only waiters with equal groups leave together."""


T = TypeVar("T", bound=Waiter)


class WaitingRoom(Generic[T]):
    """Two queues, one a lane. All methods are called in one event loop."""

    def __init__(self) -> None:
        # In the order in which they are served.
        self._lanes: dict[Lane, deque[T]] = {Lane.INTERACTIVE: deque(), Lane.SWEEP: deque()}
        self._somebody = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def enter(self, waiter: T, lane: Lane) -> None:
        """Puts one at the end of its lane."""
        self._lanes[lane].append(waiter)
        self._somebody.set()

    def leave(self, waiter: T) -> None:
        """Takes one out, if it still waits."""
        for lane in self._lanes.values():
            if waiter in lane:
                lane.remove(waiter)

    async def next_group(self, most: int, patience_s: float) -> list[T]:
        """Waits until somebody is there, a little longer for others, and takes the first group.

        Args:
            most: Most that leave together.
            patience_s: How long fewer than that wait for more.

        Returns:
            The one that has waited longest in the first lane, and others of its group.
        """
        while True:
            await self._somebody.wait()
            if len(self) < most:
                await asyncio.sleep(patience_s)
            self._somebody.clear()
            taken: list[T] = []
            for lane in self._lanes.values():
                for waiter in tuple(lane):
                    if len(taken) < most and (not taken or waiter.group == taken[0].group):
                        taken.append(waiter)
                        lane.remove(waiter)
            if len(self):
                self._somebody.set()
            # Whoever was there may have left meanwhile.
            if taken:
                return taken
