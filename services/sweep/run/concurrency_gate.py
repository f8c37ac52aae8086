"""Lets as many questions of a model through as its controller says, first come, first served."""

import asyncio
from collections import deque

from services.sweep.run.concurrency import ConcurrencyController


class ConcurrencyGate:
    """Holds questions back while as many are in flight as may be. Of one event loop.

    Args:
        controller: Says how many that are.

    Attributes:
        in_flight: Questions that are being asked now.
        answers: Questions that were answered.
    """

    def __init__(self, controller: ConcurrencyController) -> None:
        self._controller = controller
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._is_closed = False
        self.in_flight = 0
        self.answers = 0

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return self._controller.limit

    async def enter(self) -> int | None:
        """Waits for a turn, which must be given back by :meth:`leave`.

        Returns:
            The number of the controller's round, or nothing once the gate is closed.
        """
        if self._is_closed:
            return None
        if self._waiting or self.in_flight >= self._controller.limit:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                if not await turn:
                    return None
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.result():
                    self.leave()  # called up and cancelled at once: it is the next one's turn
                raise
        else:
            self.in_flight += 1
        return self._controller.began()

    def leave(self) -> None:
        """Gives a turn back, and lets in whoever may enter now."""
        self.in_flight -= 1
        while self._waiting and self.in_flight < self._controller.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(True)

    def answered(self, number: int, waited_s: float, served_s: float) -> None:
        """Takes an answer, while its turn lasts; arguments as of the controller's method."""
        self.answers += 1
        self._controller.answered(number, waited_s, served_s)

    def refused(self, number: int) -> None:
        """Takes a refusal, or a deadline that has passed, while its turn lasts."""
        self._controller.refused(number)

    def lost(self) -> None:
        """Takes the loss of an engine or a connection, while its turn lasts."""
        self._controller.lost()

    def close(self) -> None:
        """Turns everybody away who waits or comes; whoever is in is not touched."""
        self._is_closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(False)
