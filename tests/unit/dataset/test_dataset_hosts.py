"""What a download asks of hosts that are busy, silent, closed to strangers, or many."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2
import pytest

from services.dataset.addresses import AddressGuard, Resolver, SystemResolver, check_url
from services.dataset.download import download
from services.dataset.picture_checker import picture_checker
from services.dataset.settings import DatasetSettings
from services.dataset.store import PictureFolder
from tests.unit.dataset.hostile_server import (
    Exchange,
    HostileServer,
    Script,
    hostile_server,
    picture,
    quick,
)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with hostile_server() as state:
        yield state


def get(
    folder: Path, urls: Sequence[str], settings: DatasetSettings, resolver: Resolver | None = None
) -> PictureFolder:
    pictures = PictureFolder(folder)

    async def run() -> None:
        async with picture_checker(settings.max_bytes, settings.max_pixels) as checker:
            await download(
                urls, pictures, settings, note=lambda: None, checker=checker, resolver=resolver
            )

    asyncio.run(run())
    return pictures


def serve_all(server: HostileServer, count: int, script: Script) -> list[str]:
    return [server.serve(f"/{number}.png", script) for number in range(count)]


def request_count(server: HostileServer) -> int:
    return sum(map(len, server.requests.values()))


def reasons(pictures: PictureFolder) -> Counter[tuple[str, bool]]:
    return Counter((dead.reason, dead.again) for dead in pictures.dead.values())


def test_a_host_that_asks_for_too_long_a_pause_is_asked_nothing_more(
    tmp_path: Path, server: HostileServer
) -> None:
    urls = serve_all(server, 30, lambda ask, _: ask.answer(429, Retry_After="3600"))
    pictures = get(tmp_path, urls, quick(connections_per_host=2))
    assert reasons(pictures) == {("THROTTLED", True): 30}
    assert request_count(server) <= 2  # those under way when the first answer came


def break_off(ask: Exchange) -> None:
    ask.answer(200, b"\x89PNG", Content_Length="1000")
    ask.hang_up()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (lambda ask, _: ask.answer(403), "REFUSED"),
        (lambda ask, _: ask.answer(429), "THROTTLED"),
        (lambda ask, _: ask.answer(503), "SERVER_ERROR"),
        (lambda ask, _: break_off(ask), "BROKEN_OFF"),
    ],
)
def test_a_host_that_brings_nothing_is_given_up_after_twenty_answers(
    tmp_path: Path,
    server: HostileServer,
    monkeypatch: pytest.MonkeyPatch,
    script: Script,
    reason: str,
) -> None:
    monkeypatch.setattr("services.dataset.hosts._MAX_PAUSE_S", 0.01)
    settings = quick(connections_per_host=2, backoff_s=0.001)
    pictures = get(tmp_path, serve_all(server, 60, script), settings)
    assert reasons(pictures) == {(reason, True): 60}
    assert 20 <= request_count(server) <= 21  # one more may be under way


def test_a_good_answer_between_refusals_keeps_a_host(tmp_path: Path, server: HostileServer) -> None:
    data = picture()

    def script(ask: Exchange, _: int) -> None:
        number = int(ask.path.strip("/").removesuffix(".png"))
        ask.answer(200, data) if number % 10 == 0 else ask.answer(403)

    pictures = get(tmp_path, serve_all(server, 60, script), quick(connections_per_host=1))
    assert request_count(server) == 60
    assert len(pictures.held) == 6


def test_throttling_without_a_number_makes_the_whole_host_wait(
    tmp_path: Path, server: HostileServer
) -> None:
    times: list[float] = []

    def script(ask: Exchange, number: int) -> None:
        times.append(time.monotonic())
        ask.answer(200, picture()) if len(times) > 1 else ask.answer(429)

    urls = serve_all(server, 3, script)
    pictures = get(tmp_path, urls, quick(connections_per_host=1, backoff_s=0.5))
    assert set(pictures.held) == set(urls)
    # The picture's own wait is 0.25 s at least; that of the host is 0.5 s.
    assert times[1] - times[0] >= 0.49


def test_a_host_that_is_given_up_costs_no_attempts_and_no_waits(tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:1/{number}.png" for number in range(200)]
    pictures = get(tmp_path, urls, quick(attempts=4))
    assert reasons(pictures) == {("UNREACHABLE", True): 200}
    attempts = [dead.attempts for dead in pictures.dead.values()]
    # Five failures, one under way with the fifth, and two after the rest; no other was asked.
    assert sum(attempts) <= 8
    assert attempts.count(0) >= 192


def test_a_host_that_falls_silent_for_a_moment_is_asked_again(
    tmp_path: Path, server: HostileServer
) -> None:
    urls = serve_all(server, 30, lambda ask, _: ask.answer(200, picture()))
    failures = 5

    class MoodyResolver:
        def __init__(self) -> None:
            self.asked = 0

        async def resolve(self, host: str, port: int) -> tuple[str, ...]:
            self.asked += 1
            if self.asked <= failures:
                raise OSError("temporary failure in name resolution")
            return ("127.0.0.1",)

    settings = quick(connections_per_host=1, attempts=1)
    pictures = get(tmp_path, urls, settings, MoodyResolver())
    assert reasons(pictures) == {("HOST_UNKNOWN", True): failures}
    assert len(pictures.held) == 30 - failures


def says_nothing(ask: Exchange, number: int) -> None:
    ask.rfile.read(1)  # until the other side has left
    ask.hang_up()


def stalls(ask: Exchange, number: int) -> None:
    ask.answer(200, b"\x89PNG", Content_Length="1000")
    says_nothing(ask, number)


@pytest.mark.parametrize("script", [says_nothing, stalls])
def test_a_host_that_accepts_and_falls_silent_is_given_up(
    tmp_path: Path, server: HostileServer, script: Script
) -> None:
    urls = serve_all(server, 20, script)
    settings = quick(attempts=1, read_timeout_s=0.2, connections_per_host=2)
    pictures = get(tmp_path, urls, settings)
    assert reasons(pictures) == {("TIMED_OUT", True): 20}
    assert request_count(server) <= 8  # 5, one under way with the fifth, 2 after the rest


def test_many_hosts_leave_few_connections_open(
    tmp_path: Path, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_now: list[int] = []
    _count_connections(monkeypatch, open_now)

    class Loopback:
        async def resolve(self, host: str, port: int) -> tuple[str, ...]:
            return ("127.0.0.1",)

    server.serve("/a.png", lambda ask, _: ask.answer(200, picture()))
    urls = [server.url("/a.png", f"museum{number}.example") for number in range(40)]
    settings = quick(concurrency=4, connections_per_host=1)
    pictures = get(tmp_path, urls, settings, Loopback())
    assert set(pictures.held) == set(urls)
    assert max(open_now) <= 2 * 4  # those in use, and those kept


def _count_connections(monkeypatch: pytest.MonkeyPatch, counts: list[int]) -> None:
    """Notes how many connections there are whenever one is opened."""
    alive: set[int] = set()
    ask, close = (
        httpx2.AsyncHTTPTransport.handle_async_request,
        httpx2.AsyncHTTPTransport.aclose,
    )

    async def counted_ask(
        self: httpx2.AsyncHTTPTransport, request: httpx2.Request
    ) -> httpx2.Response:
        alive.add(id(self))
        counts.append(len(alive))
        return await ask(self, request)

    async def counted_close(self: httpx2.AsyncHTTPTransport) -> None:
        alive.discard(id(self))
        await close(self)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", counted_ask)
    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "aclose", counted_close)


class CountingResolver:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        return ("93.184.215.14",)


async def test_a_name_is_looked_up_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = CountingResolver()
    guard = AddressGuard(resolver)
    url = check_url("https://museum.example/a.png")
    first, second = await guard.addresses(url), await guard.addresses(url)
    assert first == second == ("93.184.215.14",)
    assert resolver.asked == ["museum.example"]
    loop = asyncio.get_running_loop()
    now: Callable[[], float] = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + 61)
    await guard.addresses(url)
    assert len(resolver.asked) == 2


def test_names_without_an_answer_hold_up_neither_others_nor_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    look_up = socket.getaddrinfo

    def scripted(host: str, port: int, **options: int) -> object:
        if host == "silent.example":
            answered.wait(120)
            raise OSError("no answer")
        return look_up("127.0.0.1", port, **options)

    async def main() -> tuple[str, ...]:
        resolver = SystemResolver()
        # More than asyncio has threads for: 32 at most.
        stuck = [asyncio.create_task(resolver.resolve("silent.example", 80)) for _ in range(40)]
        await asyncio.sleep(0)
        found = await asyncio.wait_for(resolver.resolve("museum.example", 80), 60)
        for task in stuck:
            task.cancel()
        return found

    monkeypatch.setattr(socket, "getaddrinfo", scripted)
    try:
        assert asyncio.run(main()) == ("127.0.0.1",)  # its end waits for no thread
        assert not answered.is_set()
    finally:
        answered.set()


async def test_a_name_that_the_system_does_not_know_is_an_error() -> None:
    with pytest.raises((OSError, UnicodeError)):
        await SystemResolver().resolve("a" * 70 + ".invalid", 80)
