"""A network between a client and a service that delays, stalls, resets and swallows."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

# The kernel then ends the connection with RST, as a firewall or a crashed host does.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Weather:
    """How often what goes wrong with a piece of data that passes; exactly so among every hundred.

    Attributes:
        delay: Share of pieces that are late, by up to ``longest_delay_s``.
        stall: Share after which the connection stands still in both directions, for up to
            ``longest_stall_s``, and then goes on.
        reset: Share at which the connection is reset.
        refuse: Share of new connections that are reset at once.
    """

    delay: float = 0.0
    stall: float = 0.0
    reset: float = 0.0
    refuse: float = 0.0
    longest_delay_s: float = 0.05
    longest_stall_s: float = 1.0


@dataclass
class FaultyNetwork:
    """Passes TCP connections on to an address, as the weather is.

    Attributes:
        target: ``host:port`` of the service.
        weather: What it is like.
        chance: Random numbers.
        happened: How often what went wrong.
        swallows: While set, every byte on connections that exist disappears without a word.
    """

    target: str
    weather: Weather
    chance: random.Random
    happened: Counter[str] = field(default_factory=Counter)
    address: str = ""
    _links: set["_Link"] = field(default_factory=set)
    _fates: list[str] = field(default_factory=list)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes a connection and keeps it until either side ends it."""
        if self.chance.random() < self.weather.refuse:
            self.happened["refuse"] += 1
            _reset(writer)
            return
        host, port = self.target.rsplit(":", 1)
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            _reset(writer)
            return
        link = _Link(self, writer, far_writer)
        self._links.add(link)
        try:
            await asyncio.gather(link.pass_on(reader, far_writer), link.pass_on(far_reader, writer))
        finally:
            self._links.discard(link)
            link.reset()

    def next_fate(self) -> str:
        """Says what happens to the next piece; empty for nothing."""
        if not self._fates:
            weather = self.weather
            shares = {"reset": weather.reset, "stall": weather.stall, "delay": weather.delay}
            self._fates = [
                fate for fate, share in shares.items() for _ in range(round(100 * share))
            ]
            self._fates += [""] * (100 - len(self._fates))
            self.chance.shuffle(self._fates)
        fate = self._fates.pop()
        self.happened[fate or "pass"] += 1
        return fate

    def swallow_all(self) -> int:
        """Has every connection that exists now swallow what it is given; gives their number."""
        for link in self._links:
            link.swallows = True
        self.happened["swallow"] += len(self._links)
        return len(self._links)

    def reset_all(self) -> None:
        """Resets every connection that exists now."""
        for link in list(self._links):
            link.reset()


class _Link:
    """One connection and the one behind it."""

    def __init__(
        self, network: FaultyNetwork, near: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        self._network = network
        self._writers = near, far
        self._moves = asyncio.Event()
        self._moves.set()
        self.swallows = False

    async def pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(2**14):
                await self._meet_fate()
                await self._moves.wait()
                if self.swallows:
                    continue
                target.write(data)
                await target.drain()
        if self.swallows:
            await asyncio.Event().wait()  # not even the end of the connection comes through
        target.close()

    def reset(self) -> None:
        for writer in self._writers:
            _reset(writer)

    async def _meet_fate(self) -> None:
        network, weather = self._network, self._network.weather
        match network.next_fate():
            case "reset":
                self.reset()
                raise ConnectionResetError
            case "stall":
                self._moves.clear()
                await asyncio.sleep(network.chance.uniform(0, weather.longest_stall_s))
                self._moves.set()
            case "delay":
                await asyncio.sleep(network.chance.uniform(0, weather.longest_delay_s))


def _reset(writer: asyncio.StreamWriter) -> None:
    taken: socket.socket | None = writer.get_extra_info("socket")
    if taken is not None and not writer.is_closing():
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


@asynccontextmanager
async def faulty_network(target: str, weather: Weather, seed: int) -> AsyncIterator[FaultyNetwork]:
    """Stands before a service, at a loopback address of its own."""
    network = FaultyNetwork(target, weather, random.Random(seed))
    connections: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(network.connect(reader, writer))
        connections.add(connection)
        connection.add_done_callback(connections.discard)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    network.address = "{}:{}".format(*server.sockets[0].getsockname()[:2])
    try:
        yield network
    finally:
        server.close()
        network.reset_all()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
