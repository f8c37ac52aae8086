"""Keeps in memory what files hold, and reads them again when they change on disk."""

import threading
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from services.core.errors import UserInputError

_log = structlog.get_logger()

ValueT = TypeVar("ValueT")

# The files are looked at no more often than this, and only when somebody wants what they hold.
CHECK_INTERVAL_S = 1.0
# A file that is wrong is read again this often while it stays so, and what is wrong said again.
RETRY_INTERVAL_S = 60.0
# A pair of files is replaced one after the other; what was read in between is read again.
_ATTEMPTS = 3

_Stamp = tuple[tuple[int, int, int, int, int] | None, ...]


class WatchedFiles(Generic[ValueT]):
    """What some files hold, as of at most a second ago.

    Files that are replaced by renaming, rewritten in place, or reached by a link that now leads
    elsewhere (as Kubernetes replaces mounted Secrets) are read again. While a new content is
    broken or missing, the old one stays in force and the log says why, every minute. Safe to use
    from several threads.

    Args:
        paths: The files; only those are watched.
        read: Reads them; raises UserInputError when something is wrong with them.
        check_interval_s: Least time between two looks at the files.
        clock: Seconds that never run backwards.

    Raises:
        UserInputError: They are broken at the start.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], ValueT],
        *,
        check_interval_s: float = CHECK_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._check_interval_s = check_interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._checked_at = clock()
        self._retry_at = inf
        self._stamp, self._value = self._read_whole()

    def current(self) -> ValueT:
        """Gives what the files hold; the very same object as before if they did not change."""
        with self._lock:
            now = self._clock()
            if now - self._checked_at >= self._check_interval_s:
                self._checked_at = now
                self._refresh()
            return self._value

    def _refresh(self) -> None:
        stamp = self._look()
        # What could not be read may be readable later though no file changed (too many open files).
        if stamp == self._stamp and self._clock() < self._retry_at:
            return
        files = [str(path) for path in self._paths]
        try:
            self._stamp, self._value = self._read_whole()
        except UserInputError as error:
            self._stamp, self._retry_at = stamp, self._clock() + RETRY_INTERVAL_S
            _log.error("files_not_reloaded", files=files, cause=error.message)
            return
        self._retry_at = inf
        _log.info("files_reloaded", files=files)

    def _read_whole(self) -> tuple[_Stamp, ValueT]:
        """Reads the files at a moment at which nobody was replacing them."""
        for attempt in range(1, _ATTEMPTS + 1):
            before = self._look()
            try:
                value = self._read()
            except UserInputError:
                if attempt == _ATTEMPTS or self._look() == before:
                    raise
                continue
            if self._look() == before:
                return before, value
        raise UserInputError(f"{self._paths[0]} changes while it is being read")

    def _look(self) -> _Stamp:
        return tuple(_stamp_of(path) for path in self._paths)


def read_file(path: Path, setting: str) -> bytes:
    """Reads a file that a setting names.

    Raises:
        UserInputError: It cannot be read; the message names the setting, the file and the cause.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserInputError(f"{setting}: cannot read {path}: {error.strerror}") from error


def _stamp_of(path: Path) -> tuple[int, int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    # The time of change is what a copy that keeps the time of modification cannot set.
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
