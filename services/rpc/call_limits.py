"""How many calls are let in: over all, a client, and a second."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.core.errors import OverloadedError
from services.core.return_times import ReturnTimes
from services.rpc.limits import KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS

# Clients at rest whose rate is remembered. Beyond it the one that called the longest ago is
# forgotten, which at worst gives it a burst too early.
MAX_RESTING_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a server lets in. A call that streams counts as one for as long as it lasts.

    Attributes:
        max_calls: Calls in flight over all clients.
        max_calls_per_client: Calls in flight of one client.
        calls_per_second_per_client: Calls that a client may begin a second in the long run;
            0: no limit.
        call_burst_per_client: Calls that it may begin at once after a rest.
        unary_timeout_s: How long a call with one response may take if its caller set no deadline.
        idle_timeout_s: How long the server waits for a client's next request while it has none to
            work on, or for it to take a response.
        keepalive_s: How often a connection on which nothing comes in is asked whether its client is
            still there, at least 1.
        keepalive_timeout_s: How long the client may take to say so; then its calls are cancelled.
        max_connection_age_s: Age at which a connection takes no new calls, so that clients connect
            again and spread over the instances; 0: none.
        max_connection_grace_s: How long its open calls may then go on before they are cut off.
    """

    max_calls: int = 4000
    max_calls_per_client: int = 1000
    calls_per_second_per_client: float = 0.0
    call_burst_per_client: int = 100
    unary_timeout_s: float = 600.0
    idle_timeout_s: float = 600.0
    keepalive_s: float = KEEPALIVE_TIME_MS / 1000
    keepalive_timeout_s: float = KEEPALIVE_TIMEOUT_MS / 1000
    max_connection_age_s: float = 0.0
    max_connection_grace_s: float = 3600.0


@dataclass(slots=True)
class _Client:
    """What is known of a client.

    Attributes:
        in_flight: Its calls that have not ended.
        allowance: Calls that it may begin at the moment ``counted_at``.
        counted_at: A reading of the clock.
    """

    in_flight: int
    allowance: float
    counted_at: float


class CallLimiter:
    """Counts the calls in flight and refuses what exceeds the limits.

    Its memory is bounded by the calls in flight and :data:`MAX_RESTING_CLIENTS`.

    Args:
        limits: The limits.
        clock: Seconds that never run backwards.
    """

    def __init__(self, limits: CallLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._in_flight = 0
        self._return_times = ReturnTimes(clock)
        self._active: dict[str, _Client] = {}
        self._resting: OrderedDict[str, _Client] = OrderedDict()

    @property
    def in_flight(self) -> int:
        """Calls that were let in and have not ended."""
        return self._in_flight

    @property
    def known_clients(self) -> int:
        """Clients that something is remembered of."""
        return len(self._active) + len(self._resting)

    def check_room(self) -> None:
        """Refuses any call while the server is full.

        Raises:
            OverloadedError: All places are taken; it says when to try again.
        """
        most = self._limits.max_calls
        if self._in_flight >= most:
            retry_after_s = self._return_times.next_s()
            raise OverloadedError(
                f"the service has {most} calls in flight, as many as it takes; "
                f"try again in {retry_after_s:.3g} s",
                retry_after_s=retry_after_s,
                max_calls=str(most),
            )

    @contextmanager
    def admit(self, name: str) -> Iterator[None]:
        """Holds a place while a call of this client is in flight.

        Raises:
            OverloadedError: The server, or this client, is at a limit; it says when to try again.
        """
        self.check_room()
        client = self._enter(name)
        try:
            yield
        finally:
            self._leave(name, client)

    def _enter(self, name: str) -> _Client:
        client = self._active.get(name) or self._resting.get(name)
        if client is None:
            burst = float(self._limits.call_burst_per_client)
            client = _Client(0, burst, self._clock())
        most = self._limits.max_calls_per_client
        if client.in_flight >= most:
            retry_after_s = self._return_times.next_s()
            raise OverloadedError(
                f"client {name} has {most} calls in flight, as many as it may have; "
                f"try again in {retry_after_s:.3g} s",
                retry_after_s=retry_after_s,
                client=name,
                max_calls_per_client=str(most),
            )
        self._spend(name, client)
        self._resting.pop(name, None)
        self._active[name] = client
        client.in_flight += 1
        if not self._in_flight:
            self._return_times.note_busy()
        self._in_flight += 1
        return client

    def _leave(self, name: str, client: _Client) -> None:
        self._in_flight -= 1
        self._return_times.note_done()
        client.in_flight -= 1
        if client.in_flight:
            return
        del self._active[name]
        if self._limits.calls_per_second_per_client:
            self._rest(name, client)

    def _spend(self, name: str, client: _Client) -> None:
        """Takes one call from what the client may begin now."""
        rate = self._limits.calls_per_second_per_client
        if not rate:
            return
        now = self._clock()
        earned = (now - client.counted_at) * rate
        burst = self._limits.call_burst_per_client
        client.allowance = min(float(burst), client.allowance + earned)
        client.counted_at = now
        if client.allowance < 1:
            if not client.in_flight:
                self._rest(name, client)
            wait_s = (1 - client.allowance) / rate
            raise OverloadedError(
                f"client {name} may begin {rate:g} calls a second; try again in {wait_s:.3g} s",
                retry_after_s=wait_s,
                client=name,
                calls_per_second_per_client=f"{rate:g}",
            )
        client.allowance -= 1

    def _rest(self, name: str, client: _Client) -> None:
        self._resting[name] = client
        self._resting.move_to_end(name)
        if len(self._resting) > MAX_RESTING_CLIENTS:
            self._resting.popitem(last=False)
