"""The parent's side of a local stack: noticing its end, and ending it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.generation import local
from services.generation.local import LocalGeneration

# Stands in for a host: ends when told so on its input, or only by being killed.
OBEDIENT = "import sys; sys.stdin.read()"
DEAF = "import time; time.sleep(600)"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalGeneration]:
    made = LocalGeneration(tmp_path / "generation.log")
    yield made
    made.stop()


def host(stack: LocalGeneration, program: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stack._host = process
    stack._log = stack.log_path.open("w", encoding="utf-8")
    return process


def test_waiting_tells_whether_the_host_has_ended_by_itself(stack: LocalGeneration) -> None:
    process = host(stack, OBEDIENT)
    assert not stack.wait(0.05)
    process.kill()
    assert stack.wait(30)
    assert stack.wait(0)


def test_a_stopped_stack_has_ended(stack: LocalGeneration) -> None:
    host(stack, OBEDIENT)
    stack.stop()
    assert stack.wait(0)


def test_a_host_that_does_not_end_is_killed_and_the_first_error_remains(
    stack: LocalGeneration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_STOP_TIMEOUT_S", 0.05)
    process = host(stack, DEAF)
    with pytest.raises(KeyError, match="the first error"), stack:
        raise KeyError("the first error")
    assert not psutil.pid_exists(process.pid)
    assert "did not end within 0.05 s" in stack.log_path.read_text(encoding="utf-8")
