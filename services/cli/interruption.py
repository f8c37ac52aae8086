"""Ctrl-C ends a command with one line and the exit code that shells expect."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

# 128 and SIGINT's number, as POSIX shells report a process that Ctrl-C ended.
EXIT_INTERRUPTED = 130


@contextmanager
def interruptible() -> Iterator[None]:
    """Ends the command with :data:`EXIT_INTERRUPTED` when Ctrl-C reaches its body."""
    try:
        yield
    except KeyboardInterrupt:
        print("expart: interrupted", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
