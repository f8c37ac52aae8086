"""Bounds how many log events of a kind are written, so that a flood fills no disk."""

import time
from collections import Counter
from collections.abc import Callable


class EventLimit:
    """Counts events by kind, anew in every window of time.

    Args:
        window_s: How long a window is, in seconds.
        clock: Seconds that never run backwards.
    """

    def __init__(self, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._began = clock()
        self._seen: Counter[str] = Counter()

    @property
    def rest_s(self) -> float:
        """How long the window still lasts."""
        return max(0.0, self._began + self._window_s - self._clock())

    def allows(self, kind: str, most: int) -> bool:
        """Whether one more event of a kind is among the first ``most`` of this window."""
        now = self._clock()
        if now - self._began >= self._window_s:
            self._began = now
            self._seen.clear()
        self._seen[kind] += 1
        return self._seen[kind] <= most
