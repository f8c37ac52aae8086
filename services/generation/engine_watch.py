"""Notices when an engine hangs, or keeps working on what it was told to end."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    """What ends a generation that does not end by itself.

    Attributes:
        timeout_s: Longest duration of one whose caller set no deadline.
        release_s: How long the engine may take to let go of one that was ended; an engine that
            takes longer is unwell.
    """

    timeout_s: float = 600.0
    release_s: float = 10.0


class EngineWatch:
    """What one engine owes its callers: a sign of life while it has work, and to let go when told.

    Args:
        stall_s: Longest that it may produce nothing for anybody while it has work.
        release_s: Longest that it may take to let go of a generation that it was told to end.
        clock: Seconds on a clock that never goes back.
    """

    def __init__(
        self, *, stall_s: float, release_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stall_s = stall_s
        self._release_s = release_s
        self._clock = clock
        self._working = 0
        self._silent_since = 0.0
        self._silent_before_s = 0.0
        self._told_to_end: dict[asyncio.Task[None], float] = {}
        self._is_hung = False

    @property
    def is_suspect(self) -> bool:
        """Whether it produced nothing in the last ``stall_s`` seconds of work, pauses left out.

        Callers that leave early may be the reason, so it takes a question to find out.
        """
        worked_s = self._clock() - self._silent_since if self._working else 0.0
        return self._silent_before_s + worked_s >= self._stall_s

    def complaint(self) -> str:
        """Says in a few words why the engine must be replaced; empty while it is well."""
        if self._is_hung:
            return f"produced nothing for {self._stall_s:g} s"
        now = self._clock()
        held = sum(now - told >= self._release_s for told in self._told_to_end.values())
        if held:
            return f"has not let go of {held} ended generations within {self._release_s:g} s"
        return ""

    @contextmanager
    def working(self) -> Iterator[None]:
        """Counts a generation as work of the engine."""
        if not self._working:
            self._silent_since = self._clock()
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._silent_before_s += self._clock() - self._silent_since

    def heard(self) -> None:
        """Notes a sign of life: a token, or the end of a generation that nobody told to end."""
        self._silent_since = self._clock()
        self._silent_before_s = 0.0
        self._is_hung = False

    def stalls_in_s(self) -> float:
        """Tells when the engine will count as hung if it stays silent: 0 once it does."""
        silent_s = self._clock() - self._silent_since if self._working else 0.0
        left_s = max(0.0, self._stall_s - silent_s)
        # Callers are sent away then, and with them goes what showed that it hangs.
        self._is_hung = self._is_hung or left_s == 0
        return left_s

    def told_to_end(self, task: asyncio.Task[None]) -> None:
        """Expects a generation's task to end from now on."""
        if task not in self._told_to_end and not task.done():
            self._told_to_end[task] = self._clock()
            task.add_done_callback(self._told_to_end.pop)
