"""Lets as many questions of a model through as its controller says, first come, first served."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from services.sweep.run.concurrency import ConcurrencyController


class ConcurrencyGate:
    """Holds questions back while as many are in flight as may be. Of one event loop.

    Args:
        controller: Says how many that are.
        clock: Seconds from any beginning.

    Attributes:
        in_flight: Questions that are being asked now.
        answers: Questions that were answered.
    """

    def __init__(
        self, controller: ConcurrencyController, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._controller = controller
        self._clock = clock
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._waiting_alone: deque[asyncio.Future[bool]] = deque()
        self._is_taken_alone = False
        self._is_closed = False
        self._in_vain_since: float | None = None
        self.in_flight = 0
        self.answers = 0

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return self._controller.limit

    @property
    def in_vain_s(self) -> float:
        """Seconds since the first call that failed with no answer after it."""
        return 0.0 if self._in_vain_since is None else self._clock() - self._in_vain_since

    async def enter(self, *, alone: bool = False) -> int | None:
        """Waits for a turn, which must be given back by :meth:`leave`.

        Args:
            alone: Whether to be in with nobody else. Whoever wants that goes before the others.

        Returns:
            The number of the controller's round, or nothing once the gate is closed.
        """
        if self._is_closed:
            return None
        waiting = self._waiting_alone if alone else self._waiting
        if waiting or not self._may_enter(alone=alone):
            turn = asyncio.get_running_loop().create_future()
            waiting.append(turn)
            try:
                if not await turn:
                    return None
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.result():
                    self.leave()  # called up and cancelled at once: it is the next one's turn
                else:
                    self._call_up()  # others may have waited for whoever wanted to be alone
                raise
        else:
            self._let_in(alone=alone)
        return self._controller.began()

    def leave(self) -> None:
        """Gives a turn back, and lets in whoever may enter now."""
        self.in_flight -= 1
        self._is_taken_alone = False
        self._call_up()

    def _may_enter(self, *, alone: bool) -> bool:
        if self._is_taken_alone:
            return False
        if alone:
            return self.in_flight == 0
        return not _any_waits(self._waiting_alone) and self.in_flight < self._controller.limit

    def _let_in(self, *, alone: bool) -> None:
        self.in_flight += 1
        self._is_taken_alone = alone

    def _call_up(self) -> None:
        for waiting, alone in ((self._waiting_alone, True), (self._waiting, False)):
            while waiting and self._may_enter(alone=alone):
                turn = waiting.popleft()
                if not turn.done():
                    self._let_in(alone=alone)
                    turn.set_result(True)

    def answered(self, number: int, waited_s: float, served_s: float) -> None:
        """Takes an answer, while its turn lasts; arguments as of the controller's method."""
        self.answers += 1
        self._in_vain_since = None
        self._controller.answered(number, waited_s, served_s)

    def refused(self, number: int) -> None:
        """Takes a refusal, or a deadline that has passed, while its turn lasts."""
        self._note_in_vain()
        self._controller.refused(number)

    def lost(self) -> None:
        """Takes the loss of an engine or a connection, while its turn lasts."""
        self._note_in_vain()
        self._controller.lost()

    def close(self) -> None:
        """Turns everybody away who waits or comes; whoever is in is not touched."""
        self._is_closed = True
        for waiting in (self._waiting_alone, self._waiting):
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(False)

    def _note_in_vain(self) -> None:
        if self._in_vain_since is None:
            self._in_vain_since = self._clock()


def _any_waits(turns: deque[asyncio.Future[bool]]) -> bool:
    return any(not turn.done() for turn in turns)
