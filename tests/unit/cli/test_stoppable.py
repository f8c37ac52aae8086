"""What signals do to a command that may be stopped."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.cli.stoppable import run_stoppable

# Far more than a loaded machine takes, far less than what hangs hangs.
SOON_S = 60

HANGING = """
import asyncio, sys, threading, time
from services.cli import stoppable
stoppable._PATIENCE_S = 0.5

async def work(stop):
    print("ready", flush=True)
    try:
        await stop.wait()
        print("stopping", flush=True)
        await asyncio.Event().wait()
    finally:
        print("hanging", flush=True)
        {hang}

stoppable.run_stoppable(work, lambda text: None)
"""


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """What is done to this process's signals is undone."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def until_stopped(stop: asyncio.Event) -> str:
    """Sends itself what a terminal sends when it closes."""
    os.kill(os.getpid(), signal.SIGHUP)
    await stop.wait()
    return "stopped"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), SystemExit(1)])
@pytest.mark.timeout(SOON_S)
def test_a_first_signal_stops_it_though_nobody_can_be_told(error: BaseException) -> None:
    told: list[str] = []

    def refuse(message: str) -> None:
        told.append(message)
        raise error

    assert run_stoppable(until_stopped, refuse) == "stopped"
    assert len(told) == 1


def test_afterwards_ctrl_c_does_what_it_did_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert run_stoppable(until_stopped, lambda _: None) == "stopped"
    assert signal.getsignal(signal.SIGINT) is before


@contextmanager
def started(hang: str) -> Iterator[subprocess.Popen[str]]:
    """A program that comes to its end only after ``hang``, once it is cancelled."""
    command = [sys.executable, "-c", HANGING.format(hang=hang)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def said(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline().strip()


# In the loop's own thread, or in one that the loop waits for at its end.
@pytest.mark.parametrize("hang", ["time.sleep(600)", "await asyncio.to_thread(time.sleep, 600)"])
@pytest.mark.timeout(2 * SOON_S)
def test_a_second_signal_ends_it_whatever_hangs(hang: str) -> None:
    with started(hang) as program:
        assert said(program) == "ready"
        program.send_signal(signal.SIGINT)
        assert said(program) == "stopping"
        program.send_signal(signal.SIGTERM)
        assert said(program) == "hanging"
        _, errors = program.communicate(timeout=SOON_S)
    assert (program.returncode, errors) == (130, "expart: interrupted\n")


@pytest.mark.timeout(2 * SOON_S)
def test_a_third_signal_ends_it_at_once() -> None:
    with started("stoppable._PATIENCE_S = 600; time.sleep(600)") as program:
        for word in ("ready", "stopping", "hanging"):
            assert said(program) == word
            program.send_signal(signal.SIGINT)
        program.communicate(timeout=SOON_S)
    assert program.returncode == 130
