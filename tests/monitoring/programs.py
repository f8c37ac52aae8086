"""Prometheus' own programs, where they are installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CHART = PROJECT / "helm" / "expart-serving"
MONITORING = PROJECT / "deploy" / "monitoring"
RUNBOOKS = PROJECT / "docs" / "runbooks"
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
