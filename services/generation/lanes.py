"""The queue of one model: places at its replicas, and two lanes of calls that wait for one."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.core.errors import DeadlineExceededError, OverloadedError, ServiceError
from services.core.return_times import ReturnTimes
from services.generation.domain import Lane
from services.generation.durations import Durations
from services.generation.waiting_line import WaitingLine
from services.telemetry import tracer
from services.telemetry.tracing import Attribute, Span


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who asks for a place.

    Attributes:
        lane: Which lane it waits in.
        client: Whose call it is; clients of a lane take turns.
        deadline: When its time is up, by the queue's clock; None for never.
    """

    lane: Lane
    client: str = ""
    deadline: float | None = None


def reserve(whole: int, share: float) -> int:
    """Gives the part of a whole that is kept for interactive calls.

    At least one where the share is above 0, and never all: a sweep must get on too.

    >>> reserve(32, 0.125), reserve(4, 0.125), reserve(1, 0.125), reserve(32, 0)
    (4, 1, 0, 0)
    """
    return max(0, min(whole - 1, math.ceil(whole * share)))


def _tell_nobody(lane: Lane, duration_s: float) -> None:
    del lane, duration_s


class ModelQueue:
    """Gives places at a model's replicas to calls, and lets the others wait within bounds.

    Interactive calls go first; sweep calls never take the places, nor the places to wait, that are
    kept for interactive ones. In a lane, clients take turns. Of a full lane, the client with the
    most waiting calls loses its newest to one that has fewer.

    Args:
        model: Name for messages.
        places: Calls that may be at the replicas at a time.
        max_waiting: Calls that may wait.
        interactive_share: Part of both that only interactive calls may take.
        clock: Seconds that only grow.
        note_wait: Told how long each call waited that got a place.
    """

    def __init__(
        self,
        model: str,
        *,
        places: int,
        max_waiting: int,
        interactive_share: float,
        clock: Callable[[], float] = time.monotonic,
        note_wait: Callable[[Lane, float], None] = _tell_nobody,
    ) -> None:
        self._model = model
        self._places = places
        self._is_awake = True
        self._share = interactive_share
        self._clock = clock
        self._note_wait = note_wait
        self.bound(max_waiting)
        self._lines = {lane: WaitingLine() for lane in Lane}
        self._running = dict.fromkeys(Lane, 0)
        self._durations = {lane: Durations() for lane in Lane}
        self._return_times = ReturnTimes(clock)

    @property
    def places(self) -> int:
        """Calls that may have a place."""
        return self._places

    @property
    def running_count(self) -> int:
        """Calls that have a place."""
        return sum(self._running.values())

    @property
    def is_busy(self) -> bool:
        """Whether any call has a place or waits for one."""
        return bool(self.running_count or any(map(len, self._lines.values())))

    def waiting_count(self, lane: Lane) -> int:
        """Calls of a lane that wait for a place."""
        return len(self._lines[lane])

    def resize(self, places: int, *, is_awake: bool = True) -> None:
        """Changes how many calls may be at the replicas; those that are there stay.

        Args:
            places: How many.
            is_awake: Whether a replica is ready. How long calls take that wait for a first one to
                come up tells nothing about the calls after them.
        """
        self._is_awake = is_awake
        self._places = places
        self._hand_out()

    def bound(self, max_waiting: int) -> None:
        """Changes how many calls may wait; those that wait stay."""
        self._max_waiting = {
            Lane.INTERACTIVE: max_waiting,
            Lane.SWEEP: max_waiting - reserve(max_waiting, self._share),
        }

    def refuse_all(self, error: ServiceError) -> None:
        """Ends the waiting of all calls with an error."""
        for line in self._lines.values():
            while (waiter := line.pop()) is not None:
                waiter.refuse(error)

    @asynccontextmanager
    async def place(self, ticket: Ticket) -> AsyncIterator[None]:
        """Holds a place, once there is one.

        Raises:
            OverloadedError: Too many wait already, or the call's time would be up before its turn
                has come and its answer been generated; it says when to try again.
            DeadlineExceededError: The call's time was up while it waited.
        """
        asked = self._clock()
        if self._is_free(ticket.lane):
            self._take(ticket.lane)
        else:
            about = {Attribute.MODEL: self._model, Attribute.LANE: ticket.lane.value}
            with tracer.start(Span.ADMISSION, about):
                await self._wait(ticket)
        began, was_awake = self._clock(), self._is_awake
        try:
            self._note_wait(ticket.lane, began - asked)
            yield
            # Calls that fail or are cancelled say nothing about how long an answer takes.
            if was_awake:
                self._durations[ticket.lane].note(self._clock() - began)
        finally:
            self._give_back(ticket.lane)

    def _is_free(self, lane: Lane) -> bool:
        if self.running_count >= self._places:
            return False
        kept = 0 if lane is Lane.INTERACTIVE else reserve(self._places, self._share)
        return self._running[lane] < self._places - kept

    def _take(self, lane: Lane) -> None:
        if not self.running_count:
            self._return_times.note_busy()
        self._running[lane] += 1

    def _give_back(self, lane: Lane) -> None:
        self._running[lane] -= 1
        self._return_times.note_done()
        self._hand_out()

    def _hand_out(self) -> None:
        """Gives free places to those who wait, interactive calls first."""
        for lane in (Lane.INTERACTIVE, Lane.SWEEP):
            while self._is_free(lane) and (waiter := self._lines[lane].pop()) is not None:
                # One that was cancelled in this turn of the event loop is still in the line.
                if waiter.call_up():
                    self._take(lane)

    async def _wait(self, ticket: Ticket) -> None:
        line = self._lines[ticket.lane]
        self._check_time(ticket)
        self._make_room(ticket)
        waiter = line.join(ticket.client)
        try:
            async with asyncio.timeout(self._left_s(ticket)):
                await waiter.called
        except BaseException as error:
            line.leave(waiter)
            if waiter.was_called:
                # Called up and cancelled at once: the place belongs to the next.
                self._give_back(ticket.lane)
            if isinstance(error, TimeoutError):
                raise self._too_late() from None
            raise

    def _make_room(self, ticket: Ticket) -> None:
        """Refuses a call, or the newest of a client with many, if a bound is reached."""
        line, most = self._lines[ticket.lane], self._max_waiting[ticket.lane]
        waiting = sum(len(each) for each in self._lines.values())
        if len(line) < most and waiting < self._max_waiting[Lane.INTERACTIVE]:
            return
        if ticket.lane is Lane.INTERACTIVE and (sweeping := self._lines[Lane.SWEEP].pop_newest()):
            sweeping.refuse(self._full())
            return
        displaced = line.pop_for(ticket.client)
        if displaced is None:
            raise self._full()
        displaced.refuse(self._full())

    def _full(self) -> OverloadedError:
        retry_after_s = self._return_times.next_s()
        waiting = sum(len(line) for line in self._lines.values())
        return OverloadedError(
            f"{waiting} calls wait for model {self._model}, as many as may; "
            f"try again in {retry_after_s:.3g} s",
            retry_after_s=retry_after_s,
            model=self._model,
            waiting=str(waiting),
        )

    def _check_time(self, ticket: Ticket) -> None:
        """Refuses a call at once that would only wait until its deadline."""
        left_s = self._left_s(ticket)
        if left_s is not None and left_s <= 0:
            # Its caller knows already, and must not be told to call again.
            raise self._too_late()
        needed_s = self._likely_s(ticket.lane)
        if left_s is None or left_s >= needed_s:
            return
        retry_after_s = self._return_times.next_s(earliest_s=needed_s - left_s)
        raise OverloadedError(
            f"an answer of model {self._model} takes about {needed_s:.3g} s with those that wait, "
            f"and the call's deadline is in {left_s:.3g} s; try again in {retry_after_s:.3g} s",
            retry_after_s=retry_after_s,
            model=self._model,
            likely_s=f"{needed_s:.3g}",
        )

    def _too_late(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            f"the call's deadline passed while it waited for model {self._model}",
            model=self._model,
        )

    def _likely_s(self, lane: Lane) -> float:
        """Estimates the time until one more call of a lane would be answered; 0 if unknown."""
        ahead = len(self._lines[Lane.INTERACTIVE])
        freeing = tuple(Lane)
        if lane is Lane.SWEEP:
            ahead += len(self._lines[lane])
            if self._running[lane]:
                # Places that interactive calls leave are theirs again before the sweep's.
                freeing = (lane,)
        per_s = sum(self._freed_per_s(each) for each in freeing)
        if not per_s:
            return 0.0
        return (ahead + 1) / per_s + self._durations[lane].likely_most_s

    def _freed_per_s(self, lane: Lane) -> float:
        """Estimates how many places a second the calls of a lane leave."""
        mean_s = self._durations[lane].mean_s
        return self._running[lane] / mean_s if mean_s else 0.0

    def _left_s(self, ticket: Ticket) -> float | None:
        return None if ticket.deadline is None else ticket.deadline - self._clock()
