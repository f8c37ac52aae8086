"""Ctrl-C ends a command with one line and the exit code that shells expect."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import typer

from services.cli.exit_codes import EXIT_INTERRUPTED


@contextmanager
def interruptible() -> Iterator[None]:
    """Ends the command with :data:`EXIT_INTERRUPTED` when Ctrl-C reaches its body."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be what has gone
            print("expart: interrupted", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def end_as_by_ctrl_c() -> None:
    """Has SIGTERM, as process managers send it, and SIGHUP, of a terminal that closes, be Ctrl-C.

    A SIGHUP that is ignored, as under nohup, stays so.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _be_ctrl_c)


def _be_ctrl_c(number: int, frame: FrameType | None) -> None:
    del number, frame
    # Ctrl-C may be ignored, as it is for what a script runs in the background.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
