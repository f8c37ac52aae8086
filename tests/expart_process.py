"""Starts ``expart`` as users do, and leaves nothing of it behind, however a test ends."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

import psutil

PROJECT = Path(__file__).resolve().parents[1]
_PR_SET_PDEATHSIG = 1
_MARK = "EXPART_TESTS_STARTED_BY"


@contextmanager
def expart_process(
    *arguments: str, stderr: int | IO[str] = subprocess.PIPE, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """Starts ``expart`` with pipes, in a session of its own.

    At the end the command is killed, and whatever it has started that is still there, in sessions
    of its own or with another parent: all of it has the mark in its environment.

    Args:
        arguments: What follows ``expart``.
        stderr: Where its standard error goes.
        variables: More variables of its environment.
    """
    mark = uuid4().hex
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - it takes no lock
        env={**os.environ, **variables, _MARK: mark},
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            while left := _marked(mark):
                for one in left:
                    with suppress(psutil.NoSuchProcess):
                        one.kill()
                psutil.wait_procs(left, timeout=10)


def _end_with_parent() -> None:
    """As by Ctrl-C, should the tests be killed; what it has started it ends itself."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


def _marked(mark: str) -> list[psutil.Process]:
    """Those that carry the mark, but for what only waits for its parent."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(_MARK) == mark:
                found.append(process)
    return found
