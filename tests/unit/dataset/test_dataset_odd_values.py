"""Values of strangers that no library takes: each costs its own picture, and no other."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from services.benchmark.images import PictureMissingError, PictureStore
from services.benchmark.records import Split
from services.dataset.hosts import retry_after_s
from services.dataset.partial import PartialFile
from services.dataset.prepare import Preparation, Prepared, prepare
from services.dataset.source import Source
from tests.unit.dataset.hostile_server import (
    Exchange,
    HostileServer,
    hostile_server,
    picture,
    quick,
)

SMALL = picture(1)
LARGE = picture(2, size=(200, 200))
CUT = len(LARGE) // 2


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with hostile_server() as state:
        yield state


def prepared(folder: Path, *images: str) -> Prepared:
    """Prepares a folder whose records name these pictures."""
    turns = [{"from": "human", "value": "<image>\nWhy?"}, {"from": "gpt", "value": "Because."}]
    rest = {"conversations": turns, "title": "The Swan", "entities": ["1915"]}
    records = [{"id": str(n), "image": image, **rest} for n, image in enumerate(images)]
    raw = folder / "raw"
    raw.mkdir(exist_ok=True)
    (raw / "test_seen.json").write_text(json.dumps(records))
    job = Preparation(folder / "out", Source(raw), (Split.TEST_SEEN,))
    return prepare(job, quick(), Console(quiet=True))


@pytest.mark.parametrize(
    "image",
    [
        "https://[broken/a.jpg",
        "http://[abc]/a.png",
        "http://exa℀mple.com/a.png",
        "http://xn--a..b/a.png",
        "http://a_b.xn--p1ai/x.png",
        "http://127.0.0.1:99999/a.png",
        "http://127.0.0.1:12345678901234567890/a.png",
        "http://127.0.0.1/" + "a" * 70_000,
        "ftp://example.org/a.png",
        "data:image/png;base64," + "A" * 500,
    ],
)
def test_what_is_no_url_is_a_dead_link_beside_a_good_picture(
    tmp_path: Path, server: HostileServer, image: str
) -> None:
    good = server.serve("/good.png", lambda ask, _: ask.answer(200, SMALL))
    assert prepared(tmp_path, image, good) == Prepared(2, 1, {"BAD_URL": 1}, 0)
    store = PictureStore(tmp_path / "out", tmp_path / "raw")
    with pytest.raises(PictureMissingError):
        store.find(image)
    with pytest.raises(PictureMissingError):  # as in a folder that nobody prepared
        PictureStore(tmp_path / "raw", tmp_path / "raw").find(image)


@pytest.mark.parametrize("image", ["a" * 300 + ".png", "a\0.png", "circle/a.png"])
def test_what_can_be_no_path_is_a_missing_file_beside_a_good_picture(
    tmp_path: Path, server: HostileServer, image: str
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "circle").symlink_to(tmp_path / "raw" / "circle")
    good = server.serve("/good.png", lambda ask, _: ask.answer(200, SMALL))
    done = prepared(tmp_path, image, good)
    assert (done.held, done.dead) == (1, {"MISSING_FILE": 1})
    with pytest.raises(PictureMissingError):
        PictureStore(tmp_path / "raw").find(image)


def test_a_file_with_a_colon_in_its_name_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "Study: The Swan.png").write_bytes(SMALL)
    assert prepared(tmp_path, "Study: The Swan.png").held == 1


@pytest.mark.parametrize("location", ["http://xn--a..b/", "http://[broken/", "http://a:99999/"])
def test_a_redirect_to_what_is_no_url_is_a_dead_link_beside_a_good_picture(
    tmp_path: Path, server: HostileServer, location: str
) -> None:
    bad = server.serve("/bad.png", lambda ask, _: ask.answer(302, Location=location))
    good = server.serve("/good.png", lambda ask, _: ask.answer(200, SMALL))
    assert prepared(tmp_path, bad, good) == Prepared(2, 1, {"BAD_URL": 1}, 0)


def broken_off(ask: Exchange, **headers: str) -> None:
    ask.answer(200, LARGE[:CUT], Content_Length=str(len(LARGE)), **headers)
    ask.hang_up()


ODD_DATES = [
    "Mon, 01 Jan 99999999999 00:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:00 +99999999999999999",
    "Fri, 31 Dec 9999 23:59:59 -0100",
]


@pytest.mark.parametrize(
    "headers",
    [
        *({"Last-Modified": date} for date in ODD_DATES),
        {"ETag": '"caf\xe9"'},
        {"ETag": '"'},
    ],
)
def test_an_odd_name_of_a_version_is_no_name(tmp_path: Path, headers: dict[str, str]) -> None:
    partial = PartialFile(tmp_path, "http://museum.example/a.png")
    partial.begin("http://museum.example/a.png", httpx2.Headers(headers, encoding="latin-1"), 10)
    partial.path.write_bytes(b"12345")
    sent = partial.request_headers("http://museum.example/a.png")
    httpx2.Headers(sent)  # what comes of it can be sent
    assert not sent or headers == {"ETag": '"'}


@pytest.mark.parametrize("date", ODD_DATES)
def test_an_odd_date_to_come_back_at_is_none(date: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    given = retry_after_s(date, now)
    assert given is None or given > 10**9  # the last one is a moment, in 8,000 years


def odd_part(ask: Exchange, number: int) -> None:
    if number == 0:
        broken_off(ask, ETag='"one"')
    elif number == 1:
        ask.answer(206, LARGE[CUT:], Content_Range=f"bytes {CUT}-{'9' * 5000}/{'9' * 5000}")
    else:
        ask.answer(200, LARGE)


def tag_beyond_ascii(ask: Exchange, number: int) -> None:
    ask.answer(200, LARGE) if number else broken_off(ask, ETag='"caf\xe9"')


def part_unasked(ask: Exchange, number: int) -> None:
    if number:
        ask.answer(200, LARGE)
    else:
        ask.answer(206, LARGE, Content_Range=f"bytes 0-{len(LARGE) - 1}/{len(LARGE)}")


@pytest.mark.parametrize("script", [odd_part, tag_beyond_ascii, part_unasked])
def test_an_odd_answer_costs_an_attempt(
    tmp_path: Path, server: HostileServer, script: Callable[[Exchange, int], None]
) -> None:
    url = server.serve("/a.png", script)
    good = server.serve("/good.png", lambda ask, _: ask.answer(200, SMALL))
    prepared(tmp_path, url, good)
    assert prepared(tmp_path, url, good).held == 2
    assert PictureStore(tmp_path / "out").read(url) == LARGE


NEW = picture(3, size=(200, 200))


@pytest.mark.parametrize(
    ("began", "went_on", "size"),
    [
        ({"ETag": '"one"'}, {"ETag": '"two"'}, str(len(NEW))),
        ({"ETag": '"one"'}, {}, str(len(LARGE) + 1)),  # of another length
        (
            {"Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT"},
            {"Last_Modified": "Tue, 02 Jan 2024 00:00:00 GMT"},
            "*",
        ),
    ],
)
def test_the_rest_of_another_picture_is_not_joined_to_the_beginning_of_the_first(
    tmp_path: Path,
    server: HostileServer,
    began: dict[str, str],
    went_on: dict[str, str],
    size: str,
) -> None:
    """The server does not heed If-Range, and the picture was exchanged meanwhile."""

    def script(ask: Exchange, number: int) -> None:
        asked = ask.headers.get("Range")
        if number == 0:
            broken_off(ask, **began)
        elif asked is None:
            ask.answer(200, NEW)
        else:
            span = f"bytes {CUT}-{len(NEW) - 1}/{size}"
            ask.answer(206, NEW[CUT:], Content_Range=span, **went_on)

    url = server.serve("/a.png", script)
    for _ in range(2):
        prepared(tmp_path, url)
    assert server.requests["/a.png"][1].get("Range")
    assert PictureStore(tmp_path / "out").read(url) == NEW


def test_a_rest_of_the_same_tag_is_taken_whatever_its_date(tmp_path: Path) -> None:
    url = "http://museum.example/a.png"
    partial = PartialFile(tmp_path, url)
    dates = ("Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT")
    one, other = (httpx2.Headers({"ETag": '"one"', "Last-Modified": date}) for date in dates)
    partial.begin(url, one, 10)
    assert partial.is_continued_by(other, 10)
    assert not partial.is_continued_by(other, 11)


def test_a_rest_without_the_size_of_the_whole_is_measured_by_the_beginning(
    tmp_path: Path, server: HostileServer
) -> None:
    def script(ask: Exchange, number: int) -> None:
        if number == 0:
            broken_off(ask, ETag='"one"')
        elif number == 1:
            ask.answer(206, LARGE[CUT:-9], Content_Range=f"bytes {CUT}-{len(LARGE) - 10}/*")
        else:
            rest = LARGE[-9:]
            span = f"bytes {len(LARGE) - 9}-{len(LARGE) - 1}/*"
            ask.answer(206, rest, Content_Range=span)

    url = server.serve("/a.png", script)
    for _ in range(2):
        prepared(tmp_path, url)
    assert PictureStore(tmp_path / "out").read(url) == LARGE
