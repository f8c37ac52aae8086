"""Every command of a sweep whose results are in a bucket, in processes as users run them."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import pytest

from tests.contract.scoring_server import scoring_server
from tests.integration.counted_generation import CountedGeneration, counted_generation
from tests.integration.expart_host import Ended, ExpartShell, before_the_end
from tests.integration.object_store import BUCKET, ObjectStoreServer, object_store
from tests.integration.stored_results import assert_exactly_once, rows_of
from tests.integration.sweep_dataset import questions_of, write_dataset
from tests.integration.sweep_driver import write_spec

pytestmark = pytest.mark.slow

MODELS = ("alpha", "beta")
QUESTIONS = 10
ASKED = len(MODELS) * QUESTIONS


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStoreServer]:
    with object_store() as running:
        yield running


@pytest.fixture
def output(server: ObjectStoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in the bucket that no other test has."""
    own = {**server.environment, "EXPART_SWEEP_COMMIT_INTERVAL_S": "0.5"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def scoring(tmp_path: Path) -> Iterator[str]:
    with scoring_server(tmp_path) as running:
        yield running.address


def spec_with(folder: Path, output: str) -> Path:
    write_dataset(folder / "dataset", QUESTIONS)
    return write_spec(folder, MODELS, folder / "dataset", output=output)


class DriverSays(TypedDict):
    state: str


class StatusSays(TypedDict):
    """Of what ``expart sweep status --json`` prints, what is looked at here."""

    planned: int
    done: int
    scored: int
    drivers: list[DriverSays]


async def status_once(shell: ExpartShell, output: str, is_reached: int) -> StatusSays:
    """Asks for the status until so many questions are done."""
    async with asyncio.timeout(120):
        while True:
            ended = await shell.expart("sweep", "status", output, "--json")
            if ended.code == 0:  # else the driver has not begun
                status: StatusSays = json.loads(ended.printed)
                if status["done"] >= is_reached:
                    return status
            await asyncio.sleep(0.5)


async def run_beside_others(
    shell: ExpartShell, generation: CountedGeneration, command: tuple[str, ...], output: str
) -> None:
    """Runs the sweep; while it is held up, others look at it and try to write there."""
    running = asyncio.create_task(shell.expart(*command))
    await before_the_end(running, generation.until_completed(8))
    generation.models.flowing.clear()
    second = asyncio.create_task(shell.expart(*command))
    status = await status_once(shell, output, 8)
    assert status["planned"] == ASKED
    (driver,) = status["drivers"]
    assert driver["state"] == "running"
    refused = await second
    assert refused.code == 2, refused
    assert "another sweep is writing there" in one_line(refused)
    assert generation.models.completed.total() < ASKED
    generation.models.flowing.set()
    ended = await running
    assert ended.code == 0, ended
    assert f"results: {output}" in ended.printed


async def test_a_sweep_into_a_bucket_is_run_watched_checked_rescored_and_compacted(
    shell: ExpartShell, scoring: str, tmp_path: Path, output: str
) -> None:
    spec = str(spec_with(tmp_path, output))
    async with counted_generation(MODELS, first_token_s=0.01) as generation:
        command = ("sweep", "run", spec, "--generation", generation.address, "--scoring", scoring)
        await run_beside_others(shell, generation, command, output)
        assert_exactly_once(output, questions_of(MODELS, QUESTIONS))
        again, verified, board, status = await asyncio.gather(
            shell.expart(*command),
            shell.expart("sweep", "verify", output),
            shell.expart("leaderboard", output),
            status_once(shell, output, ASKED),
        )
        assert "nothing to do: every question is settled" in again.printed
        assert set(generation.models.begun.values()) == {1}
    assert generation.models.begun.total() == ASKED
    assert "no fault" in verified.printed
    assert all(model in board.printed for model in MODELS)
    assert status["scored"] == ASKED
    await rescore_and_compact(shell, scoring, output)


async def rescore_and_compact(shell: ExpartShell, scoring: str, output: str) -> None:
    rescored = await shell.expart(
        *("sweep", "rescore", output, "--scoring", scoring, "--metrics", "length,rouge_l")
    )
    assert f"{ASKED} scored now, 0 left" in rescored.printed, rescored
    compacted = await shell.expart("sweep", "compact", output)
    assert compacted.code == 0, compacted
    assert "00000-of-00001: " in compacted.printed
    assert "skipped" not in compacted.printed
    verified = await shell.expart("sweep", "verify", output)
    assert (verified.code, "no fault" in verified.printed) == (0, True), verified
    assert len(rows_of(output, "generations", "key")) == ASKED


def one_line(ended: Ended) -> str:
    """What it says of its error, which must be one line that is not too long."""
    (line,) = ended.said.splitlines()
    assert line.startswith("expart: error: s3://"), line
    assert len(line) < 400, line
    return line


async def of_each_command(
    shell: ExpartShell, spec: Path, output: str, generation: str, code: int, **environment: str
) -> list[str]:
    """What each command says of results that it cannot reach."""
    services = ("--generation", generation, "--scoring", "127.0.0.1:1")
    commands = [
        ("sweep", "run", str(spec), *services),
        ("sweep", "plan", str(spec), "--generation", generation),
        ("sweep", "status", output),
        ("sweep", "verify", output),
        ("sweep", "rescore", output, "--scoring", "127.0.0.1:1"),
        ("sweep", "compact", output),
        ("leaderboard", output),
    ]
    ended = await asyncio.gather(
        *(shell.expart(*command, environment=environment) for command in commands)
    )
    assert [one.code for one in ended] == [code] * len(commands), ended
    return [one_line(one) for one in ended]


async def test_every_command_says_in_one_line_why_it_cannot_reach_the_results(
    shell: ExpartShell, server: ObjectStoreServer, tmp_path: Path, output: str
) -> None:
    endpoint = "http://127.0.0.1:1"
    async with counted_generation(MODELS) as generation:
        address = generation.address
        nowhere = spec_with(tmp_path / "nowhere", "s3://nowhere/sweep")
        said = await of_each_command(shell, nowhere, "s3://nowhere/sweep", address, 2)
        assert all("there is no such bucket" in line for line in said), said
        spec = spec_with(tmp_path / "sweep", output)
        said = await of_each_command(shell, spec, output, address, 1, AWS_ENDPOINT_URL=endpoint)
        assert all(f"{endpoint} cannot be reached: check the endpoint" in line for line in said)
        with known_keys_only(server):
            said = await of_each_command(shell, spec, output, address, 2)
        assert all("refuses these credentials (InvalidAccessKeyId" in line for line in said), said


@contextmanager
def known_keys_only(server: ObjectStoreServer) -> Iterator[None]:
    """Has the server refuse the keys that it does not know: all."""
    _check_after(server, b"0")
    try:
        yield
    finally:
        _check_after(server, b"inf")


def _check_after(server: ObjectStoreServer, requests: bytes) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/moto-api/reset-auth",
        data=requests,
        # Its server reads no body that claims to come from a form.
        headers={"Content-Type": "text/plain"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10):
        pass
