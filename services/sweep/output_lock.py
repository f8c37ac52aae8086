"""Keeps a second driver out of an output folder while one is writing there."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.core.errors import UserInputError

_FILE_NAME = ".lock"


@contextmanager
def output_lock(folder: Path) -> Iterator[None]:
    """Holds an output folder; the lock ends with the process, however that ends.

    Raises:
        UserInputError: Another sweep is writing there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _FILE_NAME).open("w")
    except OSError as error:
        raise UserInputError(f"{folder}: cannot write the output folder: {error}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserInputError(f"{folder}: another sweep is writing there; let it end") from error
        yield
