"""Runs ``expart`` many times at the price of importing it once: each time a process of its own.

As a program it reads orders, a line of JSON each: to start a command, for which it forks, or to
signal one. It writes, as lines of JSON, the number of the order with the process id of the command
and, when that has ended, with its exit code. It alone knows which of them still run, so it is the
one that signals them: a process id that is free again is never meant. Its end is theirs.
"""

import asyncio
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TypedDict, TypeVar

PROJECT = Path(__file__).parents[2]
# Longer than anything here takes; it only keeps a fault of ours from stopping the whole suite.
TIMEOUT_S = 240.0
_PR_SET_PDEATHSIG = 1
T = TypeVar("T")


class _Start(TypedDict):
    arguments: list[str]
    environment: dict[str, str]
    output: str
    errors: str
    lease_s: float
    silence_s: float


class _Order(TypedDict):
    """One of the two."""

    number: int
    start: _Start | None
    signal: int


@dataclass(frozen=True, slots=True)
class Expart:
    """What is to be run.

    Attributes:
        arguments: What follows ``expart``.
        environment: Its whole environment.
        output: File that its standard output is appended to.
        errors: The same for standard error.
        lease_s: How long a lease on a shard of an object store lasts, in place of 30 s; 0 for 30 s.
            A driver that gets no time of computation for longer would lose its shard.
        silence_s: How long a connection may be silent before it counts as lost; 0 for the
            contract's, which is most of a minute.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: Path
    errors: Path
    lease_s: float = 0.0
    silence_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ExpartProcess:
    """A command that was started.

    Attributes:
        pid: Its process id.
        code: Its exit code, negative for a signal, once it has ended.
    """

    pid: int
    code: Future[int]
    _host: "ExpartHost"
    _number: int

    async def ended(self, within_s: float = TIMEOUT_S) -> int:
        """Waits for its end; gives its exit code, negative for a signal."""
        async with asyncio.timeout(within_s):
            return await asyncio.shield(asyncio.wrap_future(self.code))

    def send(self, number: signal.Signals) -> None:
        """Signals it, unless it has ended."""
        self._host.order(_Order(number=self._number, start=None, signal=number))


class EndedTooSoonError(Exception):
    """A command ended before what was waited for came about."""


async def before_the_end(
    command: asyncio.Future[T], condition: Coroutine[object, object, object]
) -> None:
    """Waits for what comes about while a command runs.

    Raises:
        EndedTooSoonError: The command ended before.
    """
    waited = asyncio.ensure_future(condition)
    try:
        await asyncio.wait((waited, command), return_when=asyncio.FIRST_COMPLETED)
        if not waited.done():
            raise EndedTooSoonError(str(await command))
        await waited
    finally:
        waited.cancel()


class ExpartHost:
    """Starts commands.

    Args:
        process: Where they are started from: this module as a program.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._numbers = count()
        self._pids: dict[int, Future[int]] = {}
        self._codes: dict[int, Future[int]] = {}

    async def start(self, command: Expart) -> ExpartProcess:
        """Starts a command and returns once it has its process id."""
        number = next(self._numbers)
        pid = self._pids[number] = Future()
        code = self._codes[number] = Future()
        start = _Start(
            arguments=list(command.arguments),
            environment=dict(command.environment),
            output=str(command.output),
            errors=str(command.errors),
            lease_s=command.lease_s,
            silence_s=command.silence_s,
        )
        self.order(_Order(number=number, start=start, signal=0))
        async with asyncio.timeout(TIMEOUT_S):
            started = await asyncio.shield(asyncio.wrap_future(pid))
        return ExpartProcess(started, code, self, number)

    def kill_all(self) -> None:
        """Kills whatever still runs."""
        for number, code in self._codes.items():
            if not code.done():
                self.order(_Order(number=number, start=None, signal=signal.SIGKILL))

    def order(self, order: _Order) -> None:
        """Gives an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def listen(self) -> None:
        """Takes what the program reports, until it has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: dict[str, int] = json.loads(line)
            if "pid" in event:
                self._pids[event["number"]].set_result(event["pid"])
            else:
                self._codes[event["number"]].set_result(event["code"])
        for left in (*self._pids.values(), *self._codes.values()):
            if not left.done():
                left.set_exception(ConnectionError("the host of the commands has ended"))


@contextmanager
def expart_host() -> Iterator[ExpartHost]:
    """Gives what starts commands; at the end all that still run are killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.expart_host"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        start_new_session=True,
    ) as process:
        host = ExpartHost(process)
        listening = threading.Thread(target=host.listen, daemon=True)
        listening.start()
        try:
            yield host
        finally:
            process.kill()  # and with it all that it has started
            listening.join(timeout=10)


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


@dataclass(frozen=True, slots=True)
class ExpartShell:
    """Runs commands to their end.

    Attributes:
        host: Starts them.
        folder: What they print is kept there, in files named by numbers.
        environment: Variables of theirs; the others are the test's own.
        lease_s: How long a lease on a shard of an object store lasts.
    """

    host: ExpartHost
    folder: Path
    environment: Mapping[str, str]
    lease_s: float = 6.0
    _numbers: Iterator[int] = field(default_factory=count)

    async def expart(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Runs a command; with variables of its own, if need be."""
        number = next(self._numbers)
        output, errors = (self.folder / f"{number}.{name}" for name in ("out", "err"))
        variables = {**os.environ, **self.environment, **(environment or {})}
        process = await self.host.start(Expart(arguments, variables, output, errors, self.lease_s))
        try:
            code = await process.ended()
        finally:
            process.send(signal.SIGKILL)
        return Ended(code, output.read_text("utf-8"), errors.read_text("utf-8"))


def main() -> None:
    """Serves orders until its input ends."""
    # Not with the module: the side of the tests needs none of it.
    from services.cli.app import make_app

    # As when the command itself is started; nothing here starts a thread before it forks.
    for command in ("run", "status", "verify", "rescore", "compact", "plan"):
        make_app(["sweep", command])
    for command in ("leaderboard", "dataset"):
        make_app([command])
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking.fileno())
    running: dict[int, int] = {}
    with selectors.PollSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        begun = b""
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if woken.fileno() in ready:
                woken.recv(2**12)
                _reap(running)
            if 0 in ready:
                read = os.read(0, 2**16)
                if not read:
                    os._exit(0)
                *lines, begun = (begun + read).split(b"\n")
                for line in lines:
                    _obey(json.loads(line), running)


def _obey(order: _Order, running: dict[int, int]) -> None:
    number, start = order["number"], order["start"]
    if start is None:
        if number in running:  # one that has ended but was not waited for keeps its id
            os.kill(running[number], order["signal"])
        return
    host = os.getpid()
    pid = os.fork()
    if not pid:
        _be_expart(start, host)
    running[number] = pid
    _say(number=number, pid=pid)


def _reap(running: dict[int, int]) -> None:
    for number, pid in list(running.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            del running[number]
            _say(number=number, code=os.waitstatus_to_exitcode(status))


def _be_expart(start: _Start, host: int) -> None:
    from services.cli.app import make_app, run_app
    from services.rpc import limits
    from services.sweep.results.output_lock import hold_shard

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != host:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(start["environment"])
    if start["lease_s"]:
        hold_shard.__wrapped__.__kwdefaults__["lease_s"] = start["lease_s"]  # type: ignore[attr-defined]
    if start["silence_s"]:
        limits.KEEPALIVE_TIME_MS = limits.KEEPALIVE_TIMEOUT_MS = int(start["silence_s"] * 500)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for target, file in enumerate((start["output"], start["errors"]), start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), target)
    code = run_app(make_app(start["arguments"]), start["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _say(**event: int) -> None:
    os.write(1, (json.dumps(event) + "\n").encode())


if __name__ == "__main__":
    main()
