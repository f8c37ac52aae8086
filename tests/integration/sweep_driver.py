"""``expart sweep run`` in processes of its own, as users start, stop and kill it."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.integration.expart_host import (
    TIMEOUT_S,
    EndedTooSoonError,
    Expart,
    ExpartHost,
    ExpartProcess,
    before_the_end,
)

# Commits many times a second, so that a kill often finds one half done.
EAGER_COMMITS = {
    "EXPART_SWEEP_COMMIT_ROWS": "8",
    "EXPART_SWEEP_COMMIT_INTERVAL_S": "0.05",
}


@dataclass(frozen=True, slots=True)
class SweepDriver:
    """A driver that was started.

    Attributes:
        process: The driver.
        log: What it prints goes there.
    """

    process: ExpartProcess
    log: Path

    @property
    def has_ended(self) -> bool:
        return self.process.code.done()

    async def ended(self, within_s: float = TIMEOUT_S) -> int:
        """Waits for its end; gives its exit code, negative for a signal."""
        return await self.process.ended(within_s)

    async def kill(self) -> None:
        """Ends it as a power cut would, unless it has ended by itself."""
        self.process.send(signal.SIGKILL)
        await self.ended()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send(signal.SIGINT)

    def terminate(self) -> None:
        """What Kubernetes and process managers send."""
        self.process.send(signal.SIGTERM)

    async def until(self, condition: Coroutine[object, object, object]) -> None:
        """Waits for what comes about while it runs; fails where it ends before."""
        ended = asyncio.ensure_future(self.ended())
        try:
            await before_the_end(ended, condition)
        except EndedTooSoonError as error:
            raise AssertionError(self.printed()[-3000:]) from error
        finally:
            ended.cancel()

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8")


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

    host: ExpartHost
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
        command = Expart(
            self.arguments, self.environment, self.log, self.log, self.lease_s, self.silence_s
        )
        return SweepDriver(await self.host.start(command), self.log)

    async def run(self) -> None:
        """Runs it to its end, which must be a complete sweep."""
        driver = await self.start()
        try:
            assert await driver.ended() == 0, driver.printed()[-3000:]
        finally:
            await driver.kill()


def write_spec(folder: Path, models: Sequence[object], dataset: Path, **changes: object) -> Path:
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
