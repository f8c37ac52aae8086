"""A bound on how much work may be pending."""

import asyncio
from collections import deque


class Budget:
    """Counts pending items and their bytes against limits.

    Args:
        max_items: Most items pending at once.
        max_bytes: Most bytes pending at once; one item may exceed it while it is alone.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self._items = 0
        self._bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def try_take(self, cost_bytes: int) -> bool:
        """Takes room for one item if there is any."""
        if self._items >= self.max_items:
            return False
        if self._items and self._bytes + cost_bytes > self.max_bytes:
            return False
        self._items += 1
        self._bytes += cost_bytes
        return True

    async def take(self, cost_bytes: int) -> None:
        """Waits for room for one item."""
        while not self.try_take(cost_bytes):
            room = asyncio.get_running_loop().create_future()
            self._waiting.append(room)
            try:
                await room
            except asyncio.CancelledError:
                if room.done() and not room.cancelled():
                    self._wake()  # what woke this one is for the next
                raise

    def give_back(self, cost_bytes: int) -> None:
        """Returns the room of one item."""
        self._items -= 1
        self._bytes -= cost_bytes
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            room = self._waiting.popleft()
            if not room.done():
                room.set_result(None)
                return
