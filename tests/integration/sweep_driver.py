"""``expart sweep run`` in processes of its own, as users start, stop and kill it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from tests.integration.sweep_driver_host import Order

PROJECT = Path(__file__).parents[2]
# Commits many times a second, so that a kill often finds one half done.
EAGER_COMMITS = {
    "EXPART_SWEEP_COMMIT_ROWS": "8",
    "EXPART_SWEEP_COMMIT_INTERVAL_S": "0.05",
}
# Longer than anything here takes; it only keeps a fault of ours from stopping the whole suite.
TIMEOUT_S = 240.0


@dataclass(frozen=True, slots=True)
class SweepDriver:
    """A driver that was started.

    Attributes:
        pid: Its process id.
        code: Its exit code, once it has ended.
        log: What it prints goes there.
    """

    pid: int
    code: Future[int]
    log: Path

    @property
    def has_ended(self) -> bool:
        return self.code.done()

    async def ended(self, within_s: float = TIMEOUT_S) -> int:
        """Waits for its end; gives its exit code, negative for a signal."""
        async with asyncio.timeout(within_s):
            return await asyncio.shield(asyncio.wrap_future(self.code))

    async def kill(self) -> None:
        """Ends it as a power cut would, unless it has ended by itself."""
        self._send(signal.SIGKILL)
        await self.ended()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._send(signal.SIGINT)

    def terminate(self) -> None:
        """What Kubernetes and process managers send."""
        self._send(signal.SIGTERM)

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def _send(self, number: signal.Signals) -> None:
        if not self.has_ended:
            os.kill(self.pid, number)


class DriverHost:
    """Starts drivers.

    Args:
        process: Where they are started from; see sweep_driver_host.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._numbers = count()
        self._pids: dict[int, Future[int]] = {}
        self._codes: dict[int, Future[int]] = {}

    async def start(self, command: "SweepCommand") -> SweepDriver:
        """Starts a driver and returns once it has its process id."""
        number = next(self._numbers)
        pid = self._pids[number] = Future()
        code = self._codes[number] = Future()
        order: Order = {
            "number": number,
            "log": str(command.log),
            "arguments": command.arguments,
            "environment": command.environment,
            "lease_s": command.lease_s,
            "silence_s": command.silence_s,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        async with asyncio.timeout(TIMEOUT_S):
            return SweepDriver(await asyncio.wrap_future(pid), code, command.log)

    def kill_all(self) -> None:
        """Kills whatever still runs."""
        for number, code in self._codes.items():
            if not code.done() and self._pids[number].done():
                os.kill(self._pids[number].result(), signal.SIGKILL)

    def listen(self) -> None:
        """Takes what the host reports, until it has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: dict[str, int] = json.loads(line)
            if "pid" in event:
                self._pids[event["number"]].set_result(event["pid"])
            else:
                self._codes[event["number"]].set_result(event["code"])


@contextmanager
def driver_host() -> Iterator[DriverHost]:
    """Runs a host of drivers; at the end whatever it started is killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.sweep_driver_host"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        start_new_session=True,
    ) as process:
        host = DriverHost(process)
        listening = threading.Thread(target=host.listen, daemon=True)
        listening.start()
        try:
            yield host
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            listening.join(timeout=10)


@dataclass(frozen=True, slots=True)
class SweepCommand:
    """How a sweep is started, again and again.

    Attributes:
        host: Starts it.
        spec: The spec file.
        generation: Address of the generation service.
        scoring: Address of the scoring service.
        options: More options.
        variables: More variables of the environment.
        lease_s: How long a lease on a shard in an object store lasts; 0 for what it is.
        silence_s: How long a connection may be silent; 0 for what the contract has.
    """

    host: DriverHost
    spec: Path
    generation: str
    scoring: str
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    lease_s: float = 0.0
    silence_s: float = 0.0

    @property
    def arguments(self) -> list[str]:
        """What follows ``expart``."""
        return [
            *("sweep", "run", str(self.spec)),
            *("--generation", self.generation),
            *("--scoring", self.scoring),
            *self.options,
        ]

    @property
    def log(self) -> Path:
        """What drivers print is appended to this file beside the spec."""
        return self.spec.with_suffix(".log")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a driver."""
        log_folder = str(self.spec.parent / "log")
        ours = {**EAGER_COMMITS, "EXPART_CLI_LOG_FOLDER": log_folder}
        return {**os.environ, **ours, **self.variables}

    async def start(self) -> SweepDriver:
        """Starts a driver."""
        return await self.host.start(self)

    async def run(self) -> None:
        """Runs it to its end, which must be a complete sweep."""
        driver = await self.start()
        try:
            assert await driver.ended() == 0, driver.printed()[-3000:]
        finally:
            await driver.kill()


def write_spec(folder: Path, models: Sequence[str], dataset: Path, **changes: object) -> Path:
    """Writes a spec whose output is the folder ``results`` beside it."""
    spec = {
        "dataset": {"folder": str(dataset)},
        "splits": ["test_seen"],
        "models": list(models),
        "sampling": {"max_tokens": 8, "temperature": 0},
        "concurrency": 4,
        "output": "results",
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return path
