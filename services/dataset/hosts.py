"""Holds each host to its pace: few connections, few requests a second, and pauses as asked."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from services.dataset.addresses import port_of
from services.dataset.failures import HostGivenUpError, PictureError, Reason
from services.dataset.settings import DatasetSettings

# A host that was silent so many times in a row is left alone for a while, and then given up for
# the run if it is silent still.
_MAX_SILENT = 5
# A host that answered so many times in a row without bringing anything is given up for the run.
_MAX_FAILED = 20
_MAX_PAUSE_S = 60.0


def retry_after_s(value: str, now: datetime) -> float | None:
    """Reads a Retry-After header, in seconds or as a date; nothing if it makes no sense."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


@dataclass(slots=True)
class Turn:
    """One request to a host.

    Attributes:
        rests: How often the host had been left alone when the request began.
        answered: Whether the host answered, and did not fall silent over it.
    """

    rests: int
    answered: bool = False


class Host:
    """One host: its connections and its pace.

    Args:
        name: For messages.
        settings: How fast it may be asked.
        places: Shared by all hosts.
        context: How TLS is spoken.
    """

    def __init__(
        self,
        name: str,
        settings: DatasetSettings,
        places: asyncio.Semaphore,
        context: ssl.SSLContext,
    ) -> None:
        self.name = name
        self._settings = settings
        self._places = places
        self._context = context
        self._own_places = asyncio.Semaphore(settings.connections_per_host)
        self._interval_s = 1 / settings.requests_per_second
        self._next = 0.0
        self._silent_count = 0
        self._failed_count = 0
        self._rests = 0
        self._given_up: tuple[Reason, str] | None = None
        self._turns = 0
        self._transport: httpx2.AsyncHTTPTransport | None = None

    @property
    def transport(self) -> httpx2.AsyncHTTPTransport:
        """Its connections."""
        if self._transport is None:
            # Of its own, so that no connection is ever used under another name. Proxies are left
            # out: they would resolve the name again.
            self._transport = httpx2.AsyncHTTPTransport(
                verify=self._context,
                trust_env=False,
                limits=httpx2.Limits(
                    max_connections=None,
                    max_keepalive_connections=self._settings.connections_per_host,
                ),
            )
        return self._transport

    @property
    def is_busy(self) -> bool:
        """Whether somebody has a turn."""
        return self._turns > 0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[Turn]:
        """Waits until this host may be asked once more, and notes how that ends.

        Raises:
            HostGivenUpError: The host is given up for this run.
        """
        async with self._own_places:
            await self._wait()
            async with self._places:
                turn = Turn(self._rests)
                self._turns += 1
                try:
                    yield turn
                except PictureError as error:
                    self._note(turn, error)
                    raise
                else:
                    self._note(turn, None)
                finally:
                    self._turns -= 1

    async def disconnect(self) -> None:
        """Closes its connections, which nobody may be using."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def _note(self, turn: Turn, error: PictureError | None) -> None:
        """Draws from how a request ended what that means for the next ones."""
        if error is not None and error.again and not turn.answered:
            self._note_silence(turn, error)
            return
        if not turn.answered:
            return  # it was not asked
        self._silent_count = self._rests = 0
        if error is None or not error.again:
            self._failed_count = 0
            return
        self._failed_count += 1
        if error.reason is Reason.THROTTLED:
            self._note_throttling(error.wait_s)
        if self._failed_count >= _MAX_FAILED:
            times = f"after {self._failed_count} failures in a row"
            self._give_up(error.reason, f"{times}, the last: {error.detail}")

    def _note_silence(self, turn: Turn, error: PictureError) -> None:
        if turn.rests < self._rests:
            return  # it was under way when the host was left alone
        self._silent_count += 1
        if self._rests:
            times = f"after {self._silent_count} failures in a row"
            self._give_up(error.reason, f"{times}, the last: {error.detail}")
        elif self._silent_count >= _MAX_SILENT:
            self._rests += 1
            self._pause(self._settings.rest_s)

    def _note_throttling(self, asked_s: float | None) -> None:
        if asked_s is None:
            doubled_s = self._settings.backoff_s * 2.0 ** (self._failed_count - 1)
            self._pause(min(doubled_s, _MAX_PAUSE_S))
        elif asked_s <= self._settings.max_wait_s:
            self._pause(asked_s)
        else:
            self._give_up(Reason.THROTTLED, f"as it asks for a pause of {asked_s:.0f} s")

    def _pause(self, seconds: float) -> None:
        """Asks nothing more for so long."""
        self._next = max(self._next, asyncio.get_running_loop().time() + seconds)

    def _give_up(self, reason: Reason, why: str) -> None:
        if self._given_up is None:
            self._given_up = (reason, f"host {self.name} was given up for this run {why}")

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._given_up is not None:
                raise HostGivenUpError(*self._given_up)
            now = loop.time()
            if self._next <= now:
                self._next = now + self._interval_s
                return
            await asyncio.sleep(self._next - now)


class Hosts:
    """All hosts of a run.

    Args:
        settings: How fast they may be asked.
    """

    def __init__(self, settings: DatasetSettings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(settings.concurrency)
        self._context = httpx2.create_ssl_context(trust_env=False)
        self._hosts: dict[tuple[str, int], Host] = {}
        # Those with connections, the one asked longest ago first.
        self._connected: dict[Host, None] = {}

    @asynccontextmanager
    async def turn(self, url: httpx2.URL) -> AsyncGenerator[tuple[Host, Turn]]:
        """Waits until a URL's host may be asked once more.

        Raises:
            HostGivenUpError: The host is given up for this run.
        """
        key = (url.host, port_of(url))
        host = self._hosts.get(key)
        if host is None:
            host = Host(url.host, self._settings, self._places, self._context)
            self._hosts[key] = host
        try:
            async with host.turn() as turn:
                self._connected.pop(host, None)
                self._connected[host] = None
                yield host, turn
        finally:
            await self._disconnect_some()

    async def close(self) -> None:
        """Closes all connections."""
        for host in self._hosts.values():
            await host.disconnect()

    async def _disconnect_some(self) -> None:
        """Holds the number of hosts with connections to that of downloads: files are limited."""
        while len(self._connected) > self._settings.concurrency:
            idle = next((host for host in self._connected if not host.is_busy), None)
            if idle is None:
                return
            del self._connected[idle]
            await idle.disconnect()
