"""``expart sweep run`` in processes of its own, as users start, stop and kill it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[2]
# Commits many times a second, so that a kill often finds one half done.
EAGER_COMMITS = {
    "EXPART_SWEEP_COMMIT_ROWS": "8",
    "EXPART_SWEEP_COMMIT_INTERVAL_S": "0.05",
}
# Longer than anything here takes; it only keeps a fault of ours from stopping the whole suite.
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class SweepDriver:
    """A driver that was started.

    Attributes:
        process: Its process.
        log: What it prints goes there.
    """

    process: asyncio.subprocess.Process
    log: Path

    @property
    def has_ended(self) -> bool:
        return self.process.returncode is not None

    async def ended(self, within_s: float = TIMEOUT_S) -> int:
        """Waits for its end; gives its exit code, negative for a signal."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def kill(self) -> None:
        """Ends it as a power cut would, unless it has ended by itself."""
        if not self.has_ended:
            self.process.kill()
        await self.process.wait()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """What Kubernetes and process managers send."""
        self.process.terminate()

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class SweepCommand:
    """How a sweep is started, again and again.

    Attributes:
        spec: The spec file.
        generation: Address of the generation service.
        scoring: Address of the scoring service.
        options: More options.
        program: What stands for ``expart``.
    """

    spec: Path
    generation: str
    scoring: str
    options: tuple[str, ...] = ()
    program: tuple[str, ...] = ("-m", "services.cli")

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
        return {**os.environ, **EAGER_COMMITS, "EXPART_CLI_LOG_FOLDER": log_folder}

    async def start(self) -> SweepDriver:
        """Starts a driver."""
        with self.log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.program,
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=PROJECT,
                env=self.environment,
            )
        return SweepDriver(process, self.log)

    async def run(self) -> None:
        """Runs it to its end, which must be a complete sweep."""
        driver = await self.start()
        try:
            assert await driver.ended() == 0, driver.printed()[-3000:]
        finally:
            await driver.kill()


class HostedDriver:
    """A driver that the host started."""

    def __init__(self, host: asyncio.subprocess.Process, pid: int) -> None:
        self._pid = pid
        self._code = asyncio.ensure_future(_number_from(host))

    async def ended(self) -> int:
        """Waits for its end; gives its exit code, negative for a signal."""
        return await asyncio.shield(self._code)

    async def kill(self) -> None:
        """Ends it as a power cut would, unless it has ended by itself."""
        if not self._code.done():
            # The host has not collected it before its code is here: the id is no other's.
            os.kill(self._pid, signal.SIGKILL)
        await self._code


@asynccontextmanager
async def driver_host(
    command: SweepCommand,
) -> AsyncIterator[Callable[[], Awaitable[HostedDriver]]]:
    """Gives what starts a driver with its imports behind it; one at a time."""
    host = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.sweep_driver_host"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=PROJECT,
        env=command.environment,
    )
    order = json.dumps({"log": str(command.log), "arguments": command.arguments}) + "\n"

    async def start() -> HostedDriver:
        assert host.stdin is not None
        host.stdin.write(order.encode())
        await host.stdin.drain()
        return HostedDriver(host, await _number_from(host))

    try:
        yield start
    finally:
        host.kill()
        await host.communicate()


async def _number_from(host: asyncio.subprocess.Process) -> int:
    assert host.stdout is not None
    return int(await host.stdout.readline())


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
