"""A bound on how much work may be pending, and how long it will take."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

# How fast work gets done is judged by about the last so many seconds that had any.
_MEMORY_S = 2.0


class Budget:
    """Counts pending items and their bytes against limits.

    Args:
        max_items: Most items pending at once.
        max_bytes: Most bytes pending at once; one item may exceed it while it is alone.
        clock: Seconds that only grow.
    """

    def __init__(
        self, max_items: int, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self._clock = clock
        self._items = 0
        self._bytes = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._busy_since = 0.0
        self._busy_s = 0.0
        self._done_bytes = 0.0

    @property
    def items(self) -> int:
        """How many items are pending."""
        return self._items

    @property
    def pending_bytes(self) -> int:
        """How many bytes are pending."""
        return self._bytes

    def has_room(self, cost_bytes: int) -> bool:
        """Whether there is room for one more item."""
        if self._items >= self.max_items:
            return False
        return not self._items or self._bytes + cost_bytes <= self.max_bytes

    def take_now(self, cost_bytes: int) -> None:
        """Takes room for one item, whether or not there is any."""
        if not self._items:
            self._busy_since = self._clock()
        self._items += 1
        self._bytes += cost_bytes

    async def take(self, cost_bytes: int) -> None:
        """Waits for room for one item; who came first gets it first."""
        if not self._waiting and self.has_room(cost_bytes):
            self.take_now(cost_bytes)
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((granted, cost_bytes))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(cost_bytes, done=False)
            else:
                self._grant()  # this one may have been in the way of smaller ones
            raise

    def give_back(self, cost_bytes: int, *, done: bool) -> None:
        """Returns the room of one item.

        Args:
            cost_bytes: What was taken for it.
            done: Whether it was worked on, and not dropped.
        """
        self._items -= 1
        self._bytes -= cost_bytes
        if done:
            self._note_done(cost_bytes)
        self._grant()

    def drain_s(self) -> float | None:
        """How long what is pending will take at the recent pace; None while nothing is known."""
        busy_s = self._busy_s + (self._clock() - self._busy_since if self._items else 0.0)
        if not self._done_bytes:
            return None
        return self._bytes * busy_s / self._done_bytes

    def _grant(self) -> None:
        while self._waiting:
            granted, cost_bytes = self._waiting[0]
            if not granted.done():
                if not self.has_room(cost_bytes):
                    return
                self.take_now(cost_bytes)
                granted.set_result(None)
            self._waiting.popleft()

    def _note_done(self, cost_bytes: int) -> None:
        now = self._clock()
        self._busy_s += now - self._busy_since
        self._busy_since = now
        self._done_bytes += cost_bytes
        if self._busy_s > _MEMORY_S:
            self._busy_s /= 2
            self._done_bytes /= 2
