"""Prometheus' own programs, where they are installed."""

import ctypes
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.ray_cluster import free_ports

PROJECT = Path(__file__).resolve().parents[2]
CHART = PROJECT / "helm" / "expart-serving"
MONITORING = PROJECT / "deploy" / "monitoring"
RUNBOOKS = PROJECT / "docs" / "runbooks"
START_S = 60.0
_PR_SET_PDEATHSIG = 1
_PACKAGES = "apt-get install prometheus prometheus-alertmanager"


def program(name: str) -> str:
    """Finds a program; without it the test is skipped, and says so."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed ({_PACKAGES})")
    return found


def said(name: str, *arguments: str | Path, fails: bool = False) -> str:
    """Runs a program to its end, which must be the expected one; returns all it printed."""
    done = subprocess.run(
        [program(name), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


@contextmanager
def running(name: str, folder: Path, *options: str) -> Iterator[str]:
    """Runs one of the servers on a free port, and gives its ``http://host:port`` once it is ready.

    Args:
        name: The program.
        folder: Where its log goes.
        options: Its options, without the one on its address.
    """
    [port] = free_ports(1)
    log = folder / f"{name}.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [program(name), *options, f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - it takes no lock
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_S
        while not _is_ready(address):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def _is_ready(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/-/ready", timeout=30).close()
    except OSError:
        return False
    return True


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
