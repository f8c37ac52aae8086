"""From somebody's files and a museum's web server to a leaderboard, killed on the way."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.benchmark.prepared import read_lines
from tests.contract.scoring_server import scoring_server
from tests.integration.counted_generation import counted_generation
from tests.integration.expart_host import PROJECT, ExpartShell
from tests.integration.stored_results import rows_of
from tests.integration.sweep_driver import write_spec
from tests.unit.dataset.hostile_server import (
    Exchange,
    HostileServer,
    content,
    hostile_server,
    picture,
)

pytestmark = pytest.mark.slow

WAIT_S = 120
HELD, GONE, MOODY, COMPRESSED = "/5.png", "/6.png", "/7.png", "/8.png"
PICTURES = 9
DATA = [picture(number, size=(200, 200)) for number in range(PICTURES)]


class Museum:
    """Its server is well but for four pictures: one stops half way until it is told to go on."""

    def __init__(self, server: HostileServer) -> None:
        self.server = server
        self.goes_on = threading.Event()
        for number, data in enumerate(DATA):
            server.serve(f"/{number}.png", content(data))
        server.serve(HELD, self._half)
        server.serve(GONE, lambda ask, _: ask.answer(404))
        server.serve(MOODY, lambda ask, _: ask.answer(500))
        server.serve(COMPRESSED, lambda ask, _: ask.answer(200, DATA[8], Content_Encoding="gzip"))

    def _half(self, ask: Exchange, number: int) -> None:
        data = DATA[5]
        half = len(data) // 2
        if number == 0:
            ask.answer(200, data[:half], ETag='"five"', Content_Length=str(len(data)))
            ask.wfile.flush()
            self.goes_on.wait(WAIT_S)
            ask.hang_up()
            return
        asked = self.server.requests[HELD][-1].get("Range", "bytes=0-")
        begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        ask.answer(206, data[begin:], Content_Range=span)

    def times_asked(self) -> dict[str, int]:
        return {path: len(requests) for path, requests in self.server.requests.items()}


@pytest.fixture
def museum() -> Iterator[Museum]:
    with hostile_server() as server:
        opened = Museum(server)
        yield opened
        opened.goes_on.set()


def write_records(folder: Path, museum: Museum) -> None:
    """One artwork a picture, each with a question in both settings; and a faulty record."""
    records: list[dict[str, object]] = [{"id": "faulty", "title": ""}]
    for number in range(PICTURES):
        for setting, name in (("with", f"Study {number}"), ("without", "this artwork")):
            turns = [
                {"from": "human", "value": f"<image>\nExplain the history of {name}."},
                {"from": "gpt", "value": f"Study {number} was painted in 1915."},
            ]
            record = {"id": f"{number}-{setting}", "title": f"Study {number}"}
            image = museum.server.url(f"/{number}.png")
            records.append({**record, "image": image, "entities": ["1915"], "conversations": turns})
    folder.mkdir()
    (folder / "test_seen.json").write_text(json.dumps(records))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - other processes are waited for
            await asyncio.sleep(0.02)


async def test_a_killed_preparation_is_gone_on_with_and_its_folder_is_swept(
    shell: ExpartShell, museum: Museum, tmp_path: Path
) -> None:
    write_records(tmp_path / "raw", museum)
    folder = tmp_path / "expart"
    command = (
        *("dataset", "prepare", str(folder), "--from", str(tmp_path / "raw")),
        *("--split", "test_seen", "--skip-bad", "--allow-network", "127.0.0.1/32"),
        *("--contact", "a@example.org", "--requests-per-second", "1000"),
    )
    # The server that stops half way is silent until the preparation is killed, however late.
    quick = {"EXPART_DATASET_ATTEMPTS": "1", "EXPART_DATASET_READ_TIMEOUT_S": str(WAIT_S)}
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *command),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=PROJECT,
        env={**os.environ, **quick},
    )
    try:
        settled = 5 + 3  # all but the one that stops half way
        await until(lambda: settled_in(folder) == settled)
        refused = await shell.expart(*command, environment=quick)
        assert refused.code == 2
        (line,) = refused.said.splitlines()
        assert line == f"expart: error: {folder}: another expart dataset prepare is at work"
    finally:
        killed.kill()
        await killed.wait()
    museum.goes_on.set()
    assert_nothing_is_torn(folder, held=5)
    tear_the_first_picture(folder)

    again = await shell.expart(*command, environment=quick)
    assert again.code == 1, again  # the moody server is worth another run
    assert "6 of 9 pictures" in again.printed
    assert "faulty records left out: 1" in again.printed
    assert_nothing_is_torn(folder, held=6)
    asked = museum.times_asked()
    assert asked["/0.png"] == 2  # torn, and so fetched again
    assert [asked[f"/{number}.png"] for number in (1, 2, 3, 4, 6, 8)] == [1] * 6
    assert (asked[HELD], asked[MOODY]) == (2, 2)
    rest = museum.server.requests[HELD][1]
    assert rest["If-Range"] == '"five"'
    assert int(rest["Range"].removeprefix("bytes=").removesuffix("-")) == len(DATA[5]) // 2
    await sweep(shell, tmp_path, folder)


def settled_in(folder: Path) -> int:
    names = ("images.jsonl", "dead_links.jsonl")
    return sum(1 for name in names for _ in read_lines(folder / name))


def assert_nothing_is_torn(folder: Path, held: int) -> None:
    rows = list(read_lines(folder / "images.jsonl"))
    assert len(rows) == held
    for row in rows:
        number = int(str(row["image"]).rsplit("/", 1)[-1].removesuffix(".png"))
        assert (folder / str(row["file"])).read_bytes() == DATA[number]


def tear_the_first_picture(folder: Path) -> None:
    (row,) = (row for row in read_lines(folder / "images.jsonl") if "/0.png" in str(row["image"]))
    os.truncate(folder / str(row["file"]), 100)


async def sweep(shell: ExpartShell, tmp_path: Path, folder: Path) -> None:
    """Plans and runs it: the questions of three dead pictures are named, not asked, not lost."""
    spec = str(write_spec(tmp_path / "sweep", ["alpha"], folder))
    with scoring_server(tmp_path) as scoring:
        async with counted_generation(["alpha"]) as generation:
            services = ("--generation", generation.address, "--scoring", scoring.address)
            planned = await shell.expart("sweep", "plan", spec, *services[:2])
            assert (
                "3 pictures are missing (1 NOT_FOUND, 1 SERVER_ERROR, 1 NOT_AN_IMAGE): 6 questions "
                "count as failed and are not asked; the first: "
            ) in planned.printed
            assert "is a dead link: NOT_FOUND, the server answered 404" in planned.printed
            ended = await shell.expart("sweep", "run", spec, *services)
            assert ended.code == 0, ended  # no other run would bring the pictures
            assert "PICTURE_MISSING 6" in ended.printed
            assert generation.models.begun.total() == 12
            again = await shell.expart("sweep", "run", spec, *services)
            assert "nothing to do: every question is settled" in again.printed
            assert generation.models.begun.total() == 12
    output = tmp_path / "sweep" / "results"
    assert len(rows_of(output, "plan", "key")) == 18
    failed = rows_of(output, "failures", "question", "reason", "message")
    assert sorted(str(row["question"]) for row in failed) == [
        f"{number}-{setting}" for number in (6, 7, 8) for setting in ("with", "without")
    ]
    assert {row["reason"] for row in failed} == {"PICTURE_MISSING"}
    board = await shell.expart("leaderboard", str(output))
    assert board.code == 0
    verified = await shell.expart("sweep", "verify", str(output))
    assert (verified.code, "6 failed" in verified.printed) == (0, True), verified
