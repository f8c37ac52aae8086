"""A sweep's services and drivers on this machine, and what they cost while they run."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from tests.contract.scoring_server import scoring_server

PROJECT = Path(__file__).parents[2]
STEP_S = 1.0
# Words of a scripted answer.
NEW_TOKENS = 32
# Of the log of a driver that failed.
_SHOWN_CHARS = 4000


def model_names(count: int) -> list[str]:
    return [f"scripted-{number}" for number in range(count)]


@dataclass(frozen=True, slots=True)
class Services:
    """The two services.

    Attributes:
        generation: Address of the scripted generation service.
        scoring: Address of the real scoring service.
        pids: Their processes, by a name for people.
    """

    generation: str
    scoring: str
    pids: Mapping[str, int]


@contextmanager
def services(
    folder: Path, models: Sequence[str], *, first_token_s: float = 0.0
) -> Iterator[Services]:
    """Runs scripted models behind the real front, and the real scoring service."""
    named = [part for name in models for part in ("--model", name)]
    with (
        scoring_server(folder) as scoring,
        (folder / "generation.log").open("wb") as log,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "services.generation.scripted_server", "--with-parent"),
                *("--first-token-s", str(first_token_s)),
                *named,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=PROJECT,
        ) as generation,
    ):
        assert generation.stdin is not None
        assert generation.stdout is not None
        try:
            address = generation.stdout.readline().strip()
            pids = {"generation": generation.pid, "scoring": scoring.process.pid}
            yield Services(address, scoring.address, pids)
        finally:
            generation.stdin.close()


def write_spec(
    folder: Path, models: Sequence[str], dataset: Path, *, concurrency: int, tokens: int
) -> Path:
    """Writes a spec whose results go to the folder ``results`` beside it."""
    path = folder / "sweep.yaml"
    spec = {
        "dataset": {"folder": str(dataset)},
        "splits": ["test_seen"],
        "models": list(models),
        "sampling": {"max_tokens": tokens, "min_tokens": tokens, "temperature": 0},
        "concurrency": concurrency,
        "output": "results",
    }
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return path


def sweep_command(spec: Path, generation: str, scoring: str, *options: str) -> list[str]:
    """The command that runs a sweep."""
    return [
        *(sys.executable, "-m", "services.cli", "sweep", "run", str(spec)),
        *("--generation", generation, "--scoring", scoring, *options),
    ]


@dataclass
class Usage:
    """What processes used while something ran.

    Attributes:
        processor_s: Processor time by name, children included.
        driver_mib: Resident memory of the first driver, a sample a second.
        took_s: How long it ran.
    """

    processor_s: dict[str, float] = field(default_factory=dict)
    driver_mib: list[float] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def most_mib(self) -> float:
        return max(self.driver_mib, default=float("nan"))

    def mib_at(self, share: float) -> float:
        """Memory after this share of the time."""
        return self.driver_mib[int(share * (len(self.driver_mib) - 1))]


def run_drivers(commands: Sequence[Sequence[str]], log: Path, pids: Mapping[str, int]) -> Usage:
    """Runs commands side by side to their end and watches them and the services.

    Raises:
        RuntimeError: One of them failed; the message has the end of their log.
    """
    usage = Usage()
    seen: dict[tuple[str, int], float] = {}
    before = dict(_processor_times(pids))
    began = time.perf_counter()
    with log.open("ab") as output:
        drivers = [
            subprocess.Popen(command, stdout=output, stderr=output, cwd=PROJECT)
            for command in commands
        ]
        watched = {**pids, **{f"driver {n}": d.pid for n, d in enumerate(drivers, start=1)}}
        while any(driver.poll() is None for driver in drivers):
            seen.update(_processor_times(watched))
            usage.driver_mib.extend(_resident_mib(drivers[0].pid))
            _wait(drivers, STEP_S)
    usage.took_s = time.perf_counter() - began
    for (name, pid), spent_s in seen.items():
        used_s = spent_s - before.get((name, pid), 0.0)
        usage.processor_s[name] = usage.processor_s.get(name, 0.0) + used_s
    if any(driver.returncode for driver in drivers):
        last = log.read_text(encoding="utf-8", errors="replace")[-_SHOWN_CHARS:]
        raise RuntimeError(f"a driver failed:\n{last}")
    return usage


def _wait(drivers: Sequence["subprocess.Popen[bytes]"], most_s: float) -> None:
    """Waits a step, or until the last driver has ended."""
    try:
        running = [driver for driver in drivers if driver.poll() is None]
        for driver in running[-1:]:
            driver.wait(most_s)
    except subprocess.TimeoutExpired:
        pass  # it runs on


def _processor_times(pids: Mapping[str, int]) -> Iterator[tuple[tuple[str, int], float]]:
    """Processor seconds of processes and of all that they have started."""
    for name, pid in pids.items():
        try:
            parent = psutil.Process(pid)
            for process in (parent, *parent.children(recursive=True)):
                spent = process.cpu_times()
                yield (name, process.pid), spent.user + spent.system
        except psutil.NoSuchProcess:
            continue  # it has just ended


def _resident_mib(pid: int) -> Iterator[float]:
    try:
        yield psutil.Process(pid).memory_info().rss / 2**20
    except psutil.NoSuchProcess:
        return
