"""Holds each host to its pace: few connections, few requests a second, and pauses as asked."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from services.dataset.addresses import port_of
from services.dataset.failures import PictureError, Reason
from services.dataset.settings import DatasetSettings

# A host that could not be reached so many times in a row is given up for this run.
_MAX_UNREACHABLE = 5


def retry_after_s(value: str, now: datetime) -> float | None:
    """Reads a Retry-After header, in seconds or as a date; nothing if it makes no sense."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


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
        self._places = places
        self._own_places = asyncio.Semaphore(settings.connections_per_host)
        self._interval_s = 1 / settings.requests_per_second
        self._next = 0.0
        self._unreachable_count = 0
        # A host of its own, so that no connection is ever used under another name. Proxies are
        # left out: they would resolve the name again.
        self.transport = httpx2.AsyncHTTPTransport(
            verify=context,
            trust_env=False,
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=settings.connections_per_host
            ),
        )

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Waits until this host may be asked once more.

        Raises:
            PictureError: The host is given up for this run.
        """
        async with self._own_places:
            await self._wait()
            async with self._places:
                yield

    def pause(self, seconds: float) -> None:
        """Asks nothing more for so long."""
        self._next = max(self._next, asyncio.get_running_loop().time() + seconds)

    def note_reached(self) -> None:
        """Notes that it answered."""
        self._unreachable_count = 0

    def note_unreachable(self) -> None:
        """Notes that it could not be reached."""
        self._unreachable_count += 1

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._unreachable_count >= _MAX_UNREACHABLE:
                detail = f"host {self.name} was given up after {_MAX_UNREACHABLE} failures in a row"
                raise PictureError(Reason.UNREACHABLE, detail, again=True)
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

    def of(self, url: httpx2.URL) -> Host:
        """Gives the host of a URL."""
        key = (url.host, port_of(url))
        if key not in self._hosts:
            self._hosts[key] = Host(url.host, self._settings, self._places, self._context)
        return self._hosts[key]

    async def close(self) -> None:
        """Closes all connections."""
        for host in self._hosts.values():
            await host.transport.aclose()
