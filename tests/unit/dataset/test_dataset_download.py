"""Downloading pictures from servers that throttle, stall, redirect, lie and serve garbage."""

import asyncio
import errno
import hashlib
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from PIL import Image

from services.benchmark.images import PictureStore
from services.benchmark.prepared import read_lines
from services.core.sandbox.inside import LENGTH_BYTES
from services.core.sandbox.picture_budgets import memory_budget
from services.dataset.addresses import AddressGuard, Resolver, check_url
from services.dataset.download import download
from services.dataset.failures import PictureError
from services.dataset.hosts import retry_after_s
from services.dataset.picture_checker import picture_checker
from services.dataset.settings import DatasetSettings
from services.dataset.store import PictureFolder
from tests.fuzz.hostile_images import (
    encode,
    gif_with_screen,
    jpeg_with_scans,
    png_with_texts,
    webp_claiming,
)
from tests.unit.dataset.hostile_server import (
    LOOPBACK,
    Exchange,
    HostileServer,
    hostile_server,
    picture,
    quick,
)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with hostile_server() as state:
        yield state


async def downloaded(
    urls: Sequence[str],
    pictures: PictureFolder,
    settings: DatasetSettings,
    *,
    note: Callable[[], None] = lambda: None,
    resolver: Resolver | None = None,
) -> None:
    async with picture_checker(settings.max_bytes, settings.max_pixels) as checker:
        await download(urls, pictures, settings, note=note, checker=checker, resolver=resolver)


def get(folder: Path, *urls: str, settings: DatasetSettings | None = None) -> PictureFolder:
    pictures = PictureFolder(folder)
    asyncio.run(downloaded(urls, pictures, settings or quick()))
    pictures.tidy()
    return pictures


def fate(folder: Path, url: str, settings: DatasetSettings | None = None) -> tuple[str, bool]:
    dead = get(folder, url, settings=settings).dead[url]
    return dead.reason, dead.again


def test_a_picture_is_kept_by_its_content_and_found_by_its_url(
    tmp_path: Path, server: HostileServer
) -> None:
    data = picture()
    first = server.serve("/a.png", lambda ask, _: ask.answer(200, data))
    second = server.serve("/b.png", lambda ask, _: ask.answer(200, data))
    get(tmp_path, first, second)
    digest = hashlib.sha256(data).hexdigest()
    store = PictureStore(tmp_path)
    assert store.digest(first) == store.digest(second) == f"sha256:{digest}"
    assert store.read(first) == data
    assert store.find(second) == tmp_path / "images" / digest[:2] / f"{digest}.png"
    sent = server.requests["/a.png"][0]
    assert "curator@example.org" in sent["User-Agent"]
    assert "expart-serving/" in sent["User-Agent"]


def test_a_throttling_server_is_asked_again_after_as_long_as_it_says(
    tmp_path: Path, server: HostileServer
) -> None:
    times: list[float] = []

    def script(ask: Exchange, number: int) -> None:
        times.append(time.monotonic())
        if number == 0:
            ask.answer(429, Retry_After="1")
        else:
            ask.answer(200, picture())

    url = server.serve("/a.png", script)
    assert url in get(tmp_path, url, settings=quick(attempts=1)).held
    assert times[1] - times[0] >= 0.99


def test_a_server_that_asks_for_too_long_a_wait_is_left_for_another_run(
    tmp_path: Path, server: HostileServer
) -> None:
    url = server.serve("/a.png", lambda ask, _: ask.answer(429, Retry_After="3600"))
    assert fate(tmp_path, url) == ("THROTTLED", True)
    assert len(server.requests["/a.png"]) == 1


def test_retry_after_is_read_in_seconds_and_as_a_date() -> None:
    now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert retry_after_s("120", now) == 120
    assert retry_after_s(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert retry_after_s(format_datetime(now - timedelta(seconds=90), usegmt=True), now) == 0
    assert retry_after_s("soon", now) is None
    assert retry_after_s("-1", now) is None


def test_a_transfer_that_breaks_off_goes_on_where_it_ended(
    tmp_path: Path, server: HostileServer
) -> None:
    data = picture(size=(200, 200))
    cut = len(data) // 2

    def script(ask: Exchange, number: int) -> None:
        if number == 0:
            ask.answer(200, data[:cut], ETag='"one"', Content_Length=str(len(data)))
            ask.hang_up()
            return
        span = f"bytes {cut}-{len(data) - 1}/{len(data)}"
        ask.answer(206, data[cut:], Content_Range=span)

    url = server.serve("/a.png", script)
    get(tmp_path, url)
    assert PictureStore(tmp_path).read(url) == data
    again = server.requests["/a.png"][1]
    assert (again["Range"], again["If-Range"]) == (f"bytes={cut}-", '"one"')


def test_a_picture_that_changed_meanwhile_is_fetched_whole(
    tmp_path: Path, server: HostileServer
) -> None:
    old, new = picture(size=(200, 200)), picture(7, size=(100, 100))

    def script(ask: Exchange, number: int) -> None:
        if number == 0:
            ask.answer(200, old[:500], ETag='"one"', Content_Length=str(len(old)))
            ask.hang_up()
        else:
            ask.answer(200, new, ETag='"two"')

    url = server.serve("/a.png", script)
    get(tmp_path, url)
    assert PictureStore(tmp_path).read(url) == new


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb() -> bytes:
    """A PNG of a few hundred bytes whose header declares 50,000 x 50,000 pixels."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def endless(ask: Exchange, number: int) -> None:
    """Sends more than the limit without saying how much."""
    ask.answer(200, bytes(300_000), Content_Length="", Connection="close")
    ask.hang_up()


def stall(ask: Exchange, number: int) -> None:
    ask.answer(200, b"\x89PNG", Content_Length="1000")
    ask.rfile.read(1)  # until the other side has left
    ask.hang_up()


def drip(ask: Exchange, number: int) -> None:
    """Is never silent for long, and never ends."""
    ask.answer(200, b"\x89PNG", Content_Length="100000")
    with suppress(OSError):  # the other side has left
        while True:
            ask.wfile.write(b".")
            time.sleep(0.02)


SMALL = picture()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (lambda ask, _: ask.answer(404), ("NOT_FOUND", False)),
        (lambda ask, _: ask.answer(403), ("REFUSED", True)),
        (lambda ask, _: ask.answer(500), ("SERVER_ERROR", True)),
        (lambda ask, _: ask.answer(200, b"no picture"), ("NOT_AN_IMAGE", False)),
        (lambda ask, _: ask.answer(200, b"<p>", kind="text/html"), ("NOT_AN_IMAGE", False)),
        (lambda ask, _: ask.answer(200, SMALL, Content_Encoding="gzip"), ("NOT_AN_IMAGE", False)),
        # Content-Length says less than there is: what comes is a beginning.
        (lambda ask, _: ask.answer(200, SMALL[: len(SMALL) // 2]), ("BROKEN_IMAGE", False)),
        (lambda ask, _: ask.answer(200, bomb()), ("TOO_MANY_PIXELS", False)),
        (lambda ask, _: ask.answer(200, Content_Length="999999999999"), ("TOO_LARGE", False)),
        (endless, ("TOO_LARGE", False)),
        (stall, ("TIMED_OUT", True)),
        (drip, ("TIMED_OUT", True)),
    ],
)
def test_what_is_no_picture_is_a_dead_link_with_its_reason(
    tmp_path: Path, server: HostileServer, script: object, expected: tuple[str, bool]
) -> None:
    server.scripts["/a.png"] = script  # type: ignore[assignment]
    most_s: dict[object, dict[str, float]] = {
        stall: {"read_timeout_s": 0.5},
        drip: {"attempt_timeout_s": 0.5},
    }
    patience = most_s.get(script, {})
    settings = quick(max_bytes=200_000, attempts=1, **patience)
    assert fate(tmp_path, server.url("/a.png"), settings) == expected
    (row,) = read_lines(tmp_path / "dead_links.jsonl")
    assert (row["reason"], row["retry"]) == expected
    assert row["detail"]


def test_a_length_that_is_too_great_is_tried_again_and_not_believed(
    tmp_path: Path, server: HostileServer
) -> None:
    def script(ask: Exchange, number: int) -> None:
        ask.answer(200, SMALL, Content_Length=str(len(SMALL) + 10))
        ask.hang_up()

    url = server.serve("/a.png", script)
    assert fate(tmp_path, url) == ("BROKEN_OFF", True)
    assert len(server.requests["/a.png"]) == 2


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/hostname", "BAD_URL"),
        ("ftp://127.0.0.1/a.png", "BAD_URL"),
        ("http://127.0.0.2:{port}/secret.png", "FORBIDDEN_ADDRESS"),
        ("http://[::ffff:127.0.0.2]:{port}/secret.png", "FORBIDDEN_ADDRESS"),
        ("http://169.254.169.254/latest", "FORBIDDEN_ADDRESS"),
        ("/a.png", "TOO_MANY_REDIRECTS"),
    ],
)
def test_a_redirect_is_checked_like_the_url_itself(
    tmp_path: Path, server: HostileServer, location: str, reason: str
) -> None:
    server.serve("/secret.png", lambda ask, _: ask.answer(200, SMALL))
    target = location.format(port=server.port)
    url = server.serve("/a.png", lambda ask, _: ask.answer(302, Location=target))
    assert fate(tmp_path, url) == (reason, False)
    assert "/secret.png" not in server.requests


def test_a_redirect_to_an_allowed_place_is_followed(tmp_path: Path, server: HostileServer) -> None:
    server.serve("/b.png", lambda ask, _: ask.answer(200, SMALL))
    url = server.serve("/a.png", lambda ask, _: ask.answer(301, Location="/b.png"))
    assert url in get(tmp_path, url).held


class ScriptedResolver:
    """Gives one answer after the other, whatever it is asked."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        return self.answers.pop(0)


def test_a_name_that_changes_its_address_is_asked_where_it_was_checked(
    tmp_path: Path, server: HostileServer
) -> None:
    server.serve("/a.png", lambda ask, _: ask.answer(200, SMALL))
    url = server.url("/a.png", "rebinding.example")
    pictures = PictureFolder(tmp_path)
    resolver = ScriptedResolver(("127.0.0.1",))  # a second question would fail
    asyncio.run(downloaded([url], pictures, quick(), resolver=resolver))
    assert url in pictures.held
    assert server.requests["/a.png"][0]["Host"] == f"rebinding.example:{server.port}"


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "127.0.0.2", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
        "2002:a00:1::", "fec0::1", "64:ff9b:1::a9fe:a9fe", "::a00:1", "5f00::1",
    ],
)  # fmt: skip
async def test_one_private_address_among_public_ones_is_refused(address: str) -> None:
    guard = AddressGuard(ScriptedResolver(("93.184.215.14", address)), (LOOPBACK,))
    with pytest.raises(PictureError, match="not public"):
        await guard.addresses(check_url("http://museum.example/a.png"))


async def test_public_addresses_are_given_as_they_were_found() -> None:
    found = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    guard = AddressGuard(ScriptedResolver(found))
    assert await guard.addresses(check_url("https://museum.example/a.png")) == found


def test_a_host_is_asked_by_few_connections_at_a_time(
    tmp_path: Path, server: HostileServer
) -> None:
    def script(ask: Exchange, number: int) -> None:
        time.sleep(0.02)
        ask.answer(200, SMALL)

    urls = [server.serve(f"/{number}.png", script) for number in range(12)]
    assert len(get(tmp_path, *urls, settings=quick(connections_per_host=2)).held) == 12
    assert server.most_at_once == 2


def test_a_host_is_asked_no_faster_than_its_rate(tmp_path: Path, server: HostileServer) -> None:
    urls = [
        server.serve(f"/{number}.png", lambda ask, _: ask.answer(200, SMALL)) for number in range(6)
    ]
    began = time.monotonic()
    get(tmp_path, *urls, settings=quick(requests_per_second=20))
    assert time.monotonic() - began >= 5 / 20


def test_a_host_that_cannot_be_reached_is_given_up_for_the_run(tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:1/{number}.png" for number in range(30)]
    dead = get(tmp_path, *urls, settings=quick(attempts=1)).dead
    assert len(dead) == 30
    assert {(link.reason, link.again) for link in dead.values()} == {("UNREACHABLE", True)}
    details = [str(row["detail"]) for row in read_lines(tmp_path / "dead_links.jsonl")]
    # Two connections may be under way when the fifth failure is counted, and two more ask again
    # after the rest.
    assert sum("given up" in detail for detail in details) >= 22


def test_a_run_that_is_cancelled_keeps_what_it_has(tmp_path: Path, server: HostileServer) -> None:
    first = server.serve("/a.png", lambda ask, _: ask.answer(200, SMALL))
    second = server.serve("/b.png", stall)
    pictures = PictureFolder(tmp_path)

    async def cancelled_at_the_first_picture() -> None:
        done = asyncio.Event()
        task = asyncio.create_task(downloaded([first, second], pictures, quick(), note=done.set))
        await done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled_at_the_first_picture())
    assert set(PictureFolder(tmp_path).held) == {first}


def test_a_torn_line_of_a_killed_run_costs_that_line_only(
    tmp_path: Path, server: HostileServer
) -> None:
    first = server.serve("/a.png", lambda ask, _: ask.answer(200, SMALL))
    second = server.serve("/b.png", lambda ask, _: ask.answer(200, picture(9)))
    get(tmp_path, first)
    with (tmp_path / "images.jsonl").open("a") as stream:
        stream.write('{"image": "http')
    assert set(PictureStore(tmp_path)._held) == {first}
    get(tmp_path, second)
    assert set(PictureFolder(tmp_path).held) == {first, second}
    for line in (tmp_path / "images.jsonl").read_text().splitlines():
        json.loads(line)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        # 100,000 scans of 2 megapixels: a megabyte that would keep its decoder for minutes.
        (lambda: jpeg_with_scans(1400, 100_000), "TOO_COSTLY"),
        (lambda: png_with_texts(1000), "BROKEN_IMAGE"),
        (lambda: gif_with_screen(65535, 65535), "TOO_MANY_PIXELS"),
        (lambda: webp_claiming(2**14, 2**14), "TOO_MANY_PIXELS"),
    ],
)
def test_a_hostile_picture_costs_little_and_is_a_dead_link(
    tmp_path: Path, server: HostileServer, content: Callable[[], bytes], reason: str
) -> None:
    data = content()
    bad = server.serve("/bad", lambda ask, _: ask.answer(200, data))
    good = server.serve("/good", lambda ask, _: ask.answer(200, SMALL))
    pictures = get(tmp_path, bad, good, settings=quick(max_pixels=2_000_000))
    assert pictures.dead[bad].reason == reason
    assert good in pictures.held


MEASURED = """
import asyncio, json, resource, sys
from pathlib import Path
from services.dataset.picture_checker import picture_checker
from services.core.sandbox.picture_budgets import memory_budget

async def check():
    async with picture_checker(20 * 2**20, 16_000_000) as checker:
        await checker.check(Path(sys.argv[1]))

asyncio.run(check())
status = Path("/proc/self/status").read_text().splitlines()
(own_kib,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
worker_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([own_kib / 1024, worker_kib / 1024]))
"""


def test_a_small_file_of_many_pixels_is_decoded_in_another_process_within_its_budget(
    tmp_path: Path,
) -> None:
    file = tmp_path / "white.webp"
    file.write_bytes(encode(Image.new("RGB", (4000, 4000)), "WEBP", method=0))
    assert file.stat().st_size < 2**20
    measured = subprocess.run(
        [sys.executable, "-c", MEASURED, str(file)], capture_output=True, check=True, timeout=120
    )
    own_mib, worker_mib = json.loads(measured.stdout)
    # 16 megapixels take 61 MiB at 4 bytes each, and a decoder more; the command takes none of it,
    # and what it has itself is where the count of its child begins.
    assert own_mib < 100
    assert worker_mib > own_mib + 61
    assert worker_mib < own_mib + memory_budget(20 * 2**20, 16_000_000) / 2**20


def test_a_picture_that_needs_more_than_the_budget_is_refused(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(picture(size=(2000, 2000)))
    script = (
        "import services.dataset.picture_worker as worker; "
        "worker.memory_budget = lambda *_: 2**20; worker.main(20 * 2**20, 4_000_000)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        input=_frame(os.fsencode(file)),
        capture_output=True,
        check=True,
        timeout=120,
    )
    begun, answer = ended.stdout[:LENGTH_BYTES], ended.stdout[2 * LENGTH_BYTES :]
    assert begun == bytes(LENGTH_BYTES)
    assert json.loads(answer)["reason"] == "TOO_COSTLY"


def _frame(content: bytes) -> bytes:
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def test_a_folder_that_cannot_be_written_is_the_error_of_the_run(
    tmp_path: Path, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    monkeypatch.setattr(PictureFolder, "keep", full)
    urls = [server.serve(f"/{n}", lambda ask, _: ask.answer(200, SMALL)) for n in range(4)]
    with pytest.raises(OSError, match="No space left"):
        get(tmp_path, *urls)
