"""When callers that are refused may come back: one after the other, not all at once."""

import time
from collections.abc import Callable

# How fast work gets done is judged by about the last so many seconds that had any.
_MEMORY_S = 5.0
# Asked to come back at once, refused callers would add to the load that refused them.
_MIN_S = 0.1
# With as many refused as served, callers return this much further apart, to leave room for those
# that come for the first time.
_MOST_STRETCH = 4.0


class ReturnTimes:
    """Gives every refused caller a time of its own, at the pace at which work gets done.

    Told the same time they would return together, most of them to be refused again, and refusing
    would take the processor from the work. They return one after the other instead, as fast as work
    gets done while few are refused, and the slower the more are.

    Args:
        clock: Seconds that only grow.
        max_s: The longest time. Callers beyond it all get it, and some will be refused once more.
        first_s: The time while no pace is known.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_s: float = 30.0,
        first_s: float = 1.0,
    ) -> None:
        self._clock = clock
        self._max_s = max_s
        self._first_s = first_s
        self._noted_at = 0.0
        self._busy_s = 0.0
        self._done = 0.0
        self._refused = 0.0
        self._latest = 0.0

    def note_busy(self) -> None:
        """Notes that work begins after a rest, which says nothing about the pace."""
        self._noted_at = self._clock()

    def note_done(self) -> None:
        """Notes that the work of one call is done."""
        now = self._clock()
        self._busy_s += now - self._noted_at
        self._noted_at = now
        self._done += 1
        if self._busy_s > _MEMORY_S:
            self._busy_s /= 2
            self._done /= 2
            self._refused /= 2

    def next_s(self, earliest_s: float | None = None) -> float:
        """Gives one more caller its time.

        Args:
            earliest_s: When the first of those refused may come back, if that is known.

        Returns:
            Seconds from now.
        """
        if not self._busy_s:
            return self._bounded(self._first_s if earliest_s is None else earliest_s)
        self._refused += 1
        stretch = 1 + _MOST_STRETCH * min(self._refused / self._done, 1.0)
        now = self._clock()
        next_in_line_s = self._latest + stretch * self._busy_s / self._done - now
        delay_s = self._bounded(max(next_in_line_s, earliest_s or 0.0))
        self._latest = now + delay_s
        return delay_s

    def _bounded(self, delay_s: float) -> float:
        return min(max(delay_s, _MIN_S), self._max_s)
