"""Runs ``expart`` many times at the price of importing it once: each time a process of its own.

As a program it reads orders, a line of JSON each, forks for every one, and writes a line with the
order's number and its exit code (negative for a signal) when that has ended; any number at a time.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypedDict

PROJECT = Path(__file__).parents[2]
# A lease on a shard of an object store lasts so long, in place of 30 s. A driver that gets no time
# of computation for longer than that would lose its shard.
LEASE_S = 6.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended.

    Attributes:
        code: Its exit code, negative for a signal.
        printed: What it wrote to standard output.
        said: What it wrote to standard error.
    """

    code: int
    printed: str
    said: str


class _Order(TypedDict):
    number: int
    arguments: list[str]
    environment: dict[str, str]
    files: list[str]


class ExpartHost:
    """Starts commands.

    Args:
        process: The host.
        folder: What commands print is kept there, in files named by numbers.
    """

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._numbers = count()
        self._running: dict[int, asyncio.Future[int]] = {}

    async def expart(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Runs a command to its end."""
        number = next(self._numbers)
        output, errors = (self._folder / f"{number}.{name}" for name in ("out", "err"))
        order = _Order(
            number=number,
            arguments=list(arguments),
            environment=dict(environment or {}),
            files=[str(output), str(errors)],
        )
        ended = self._running[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        return Ended(await ended, output.read_text("utf-8"), errors.read_text("utf-8"))

    async def note_ends(self) -> None:
        """Hands over exit codes, until the host ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            number, code = map(int, line.split())
            self._running.pop(number).set_result(code)
        for left in self._running.values():
            left.set_exception(ConnectionError("the host of the commands has ended"))


@asynccontextmanager
async def expart_host(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[ExpartHost]:
    """Gives what runs commands in this environment; at the end all that still run are killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.expart_host"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=PROJECT,
        env=dict(environment),
        start_new_session=True,
    )
    host = ExpartHost(process, folder)
    noting = asyncio.create_task(host.note_ends())
    try:
        yield host
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await noting


def main() -> None:
    """Serves orders until its input ends."""
    # Not with the module: the side of the tests needs none of it.
    from services.cli.app import make_app
    from services.sweep.results.output_lock import hold_shard

    hold_shard.__wrapped__.__kwdefaults__["lease_s"] = LEASE_S  # type: ignore[attr-defined]
    # Nothing here has started a thread before it forks.
    for command in ("run", "status", "verify", "rescore", "compact", "plan"):
        make_app(["sweep", command])
    for command in ("leaderboard", "dataset"):
        make_app([command])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order: _Order = json.loads(line)
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child = os.fork()
            if not child:
                _be_expart(order)
            _, status = os.waitpid(child, 0)
            ended = f"{order['number']} {os.waitstatus_to_exitcode(status)}\n"
            os.write(1, ended.encode())
            os._exit(0)


def _be_expart(order: _Order) -> None:
    from services.cli.app import make_app, run_app

    os.environ.update(order["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for target, file in enumerate(order["files"], start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), target)
    arguments = order["arguments"]
    code = run_app(make_app(arguments), arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
