"""Folders of a sweep's output: on a disk, or under a prefix of an object store."""

import os
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from services.core.errors import StorageError, UserInputError
from services.sweep.results.store_faults import is_disk_fault


class StoreUnavailableError(StorageError):
    """An object store did not do what it was asked, and may do it when asked again."""


# Files that are being written, beside those whose place they are to take.
_UNFINISHED = ".unfinished"


class Stored(NamedTuple):
    """A file's content, and the tag that changes with it; a disk has no tags."""

    content: bytes
    tag: str


class ResultFolder(Protocol):
    """A folder: files in it are read and replaced as a whole, so that nobody sees half a one.

    Every method raises ``UserInputError``, naming the place, when the folder cannot be read or
    written: ``StoreUnavailableError`` when trying again may help, and ``StorageError`` when a disk
    is full.
    """

    @property
    def uri(self) -> str:
        """Path or URI, as Delta tables are named by."""
        ...

    def child(self, name: str) -> "ResultFolder":
        """A folder in it; it need not exist."""
        ...

    def folders(self) -> list[str]:
        """Names of the folders in it, in order; none where it does not exist."""
        ...

    def read(self, name: str) -> Stored | None:
        """A file's content; nothing where it does not exist."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Makes a file durable, in the place of the one before."""
        ...

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        ...

    def remove_leftovers(self, older_than: timedelta) -> None:
        """Removes what writers left in it who were killed while they wrote."""
        ...


class LocalFolder:
    """A folder of a local disk, or of a volume that is mounted like one.

    Args:
        path: The folder; made with the first file in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def uri(self) -> str:
        """Path of the folder."""
        return str(self.path)

    def child(self, name: str) -> "LocalFolder":
        """A folder in it; it need not exist."""
        return LocalFolder(self.path / name)

    def folders(self) -> list[str]:
        """Names of the folders in it, in order.

        Raises:
            UserInputError: The folder cannot be read.
        """
        try:
            return sorted(entry.name for entry in self.path.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserInputError(f"{self.path}: cannot be read: {error.strerror}") from error

    def read(self, name: str) -> Stored | None:
        """A file's content.

        Raises:
            UserInputError: The file is there and cannot be read.
        """
        try:
            return Stored((self.path / name).read_bytes(), "")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserInputError(f"{self.path / name}: cannot be read: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> None:
        """Makes a file durable: a crash leaves the one before or this one.

        Raises:
            UserInputError: The folder cannot be written.
        """
        file = self.path / name
        # Process ids are no names: pods that share a volume all have the same ones.
        beside = file.with_name(f".{file.name}.{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(file)
            sync_path(file.parent)
        except OSError as error:
            beside.unlink(missing_ok=True)
            kind = StorageError if is_disk_fault(error) else UserInputError
            raise kind(f"{file}: cannot be written: {error.strerror}") from error

    def remove(self, name: str) -> None:
        """Removes a file, if it is there.

        Raises:
            UserInputError: It cannot be removed.
        """
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            message = f"{self.path / name}: cannot be removed: {error.strerror}"
            raise UserInputError(message) from error

    def remove_leftovers(self, older_than: timedelta) -> None:
        """Removes what writers left in it who were killed while they wrote.

        Raises:
            UserInputError: It cannot be removed.
        """
        latest_s = time.time() - older_than.total_seconds()
        try:
            for file in self.path.glob(f".*{_UNFINISHED}"):
                if file.stat().st_mtime < latest_s:
                    file.unlink(missing_ok=True)
        except FileNotFoundError:
            pass  # whoever wrote it has just finished, or removed it
        except OSError as error:
            raise UserInputError(f"{self.path}: cannot be tidied: {error.strerror}") from error


def sync_path(path: Path) -> None:
    """Makes the names in a folder durable, or the content of a file that others wrote.

    Raises:
        OSError: The disk refused.
    """
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
