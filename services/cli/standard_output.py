"""What happens when the result cannot be written on standard output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from services.cli.exit_codes import EXIT_BROKEN_PIPE
from services.core.errors import ExpArtError


class StandardOutputError(ExpArtError):
    """Standard output takes nothing, or no more."""


def check_standard_output() -> None:
    """Says early that a result would be lost.

    Raises:
        StandardOutputError: Standard output is closed.
    """
    # Python has none either where its number belongs to nothing.
    if sys.stdout is None:
        raise StandardOutputError("standard output: is closed, and the result would be lost")


@contextmanager
def printing_the_result() -> Iterator[None]:
    """Sees to it that what the body prints is written, and says so where it is not.

    Raises:
        StandardOutputError: It cannot be written.
        Exit: Nobody reads it any more.
    """
    check_standard_output()
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_the_rest()
        raise typer.Exit(EXIT_BROKEN_PIPE) from None
    except OSError as error:
        if error.filename is not None:  # of a file that the body writes
            raise
        _forget_the_rest()
        raise StandardOutputError(f"standard output: {error.strerror or error}") from error


def _forget_the_rest() -> None:
    # Python would try to flush what is left when it exits, and fail again.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
