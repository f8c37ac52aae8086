"""Starts the real scoring service for a test, as the local stack does."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.cli.settings import child_environment

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class ScoringServer:
    """A running scoring service."""

    process: subprocess.Popen[bytes]
    address: str
    address_file: Path
    log_path: Path

    def events(self, name: str) -> list[dict[str, object]]:
        """The log events of that name so far."""
        lines = self.log_path.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event["event"] == name]

    def worker_pids(self) -> list[int]:
        """The workers, from the kernel: children of the service."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text(encoding="utf-8").split()]


def scoring_environment(**variables: str) -> dict[str, str]:
    return child_environment(**{f"EXPART_SCORING_{name}": v for name, v in variables.items()})


@contextmanager
def scoring_server(folder: Path, **variables: str) -> Iterator[ScoringServer]:
    """Runs ``python -m services.scoring`` with one worker on a free port."""
    address_file = folder / "address"
    log_path = folder / "scoring.log"
    variables = {"WORKERS": "1", "ADDRESS_FILE": str(address_file), **variables}
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.scoring"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=scoring_environment(**variables),
        )
    try:
        wait_until(
            lambda: address_file.exists() or process.poll() is not None,
            "the scoring service did not start",
        )
        assert process.poll() is None, log_path.read_text(encoding="utf-8")
        address = address_file.read_text(encoding="utf-8")
        yield ScoringServer(process, address, address_file, log_path)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_with(**variables: str) -> tuple[int, list[str]]:
    """Runs the service with a setting that ends it; its exit code and the lines for people."""
    ended = subprocess.run(
        [sys.executable, "-m", "services.scoring"],
        env=scoring_environment(**{"WORKERS": "1", **variables}),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    return ended.returncode, lines


def wait_until(
    condition: Callable[[], bool], message: str, timeout_s: float = START_TIMEOUT_S
) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
