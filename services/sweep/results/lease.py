"""A lease on a shard in an object store, where no file can be locked.

The holder renews it every few seconds by a put on the condition that nobody else has written it.
Whoever wants it waits for as long as a lease lasts and takes it, again on that condition, when
nobody has renewed it meanwhile; clocks need not agree. The lease saves questions from being asked
twice; that results are not stored twice does not hang on it, but on the fence of the tables.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence

import structlog

from services.core.errors import StorageError, UserInputError
from services.sweep.results.folder import Stored, StoreUnavailableError
from services.sweep.results.objects import ObjectFolder

FILE_NAME = "lease.json"

_log = structlog.get_logger()


class ShardTakenError(UserInputError):
    """Another driver is writing the shard at this moment."""


def driver_name() -> str:
    """Names this driver: host, process and a number of its own."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


class Lease:
    """A lease, from when it was taken until it is given back or lost.

    Args:
        folder: The shard's folder.
        driver: Names who takes it.
        lasts_s: Seconds after which it is free when it is not renewed.
        note: Told, in a line for people, when it has to be waited for.

    Raises:
        ShardTakenError: Another driver holds it.
        UserInputError: The store cannot be written.
    """

    def __init__(
        self, folder: ObjectFolder, driver: str, *, lasts_s: float, note: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._driver = driver
        self._lasts_s = lasts_s
        self._note = note
        self._is_lost = False
        self._is_over = threading.Event()
        self._tag = self._take()
        self._renewing = threading.Thread(target=self._renew, name="shard lease", daemon=True)
        self._renewing.start()

    def check(self) -> None:
        """Says so when another driver has taken it.

        Raises:
            StorageError: It is lost.
        """
        if self._is_lost:
            raise StorageError(
                f"{self._folder.uri}: another driver has taken this shard over and goes on with "
                "it; this one ends, and nothing that it had stored is lost"
            )

    def give_back(self) -> None:
        """Lets the next driver have it at once."""
        self._is_over.set()
        self._renewing.join()
        try:
            self._folder.replace(FILE_NAME, self._content(is_free=True), self._tag)
        except UserInputError as error:  # it ends by itself
            _log.warning("lease_not_given_back", shard=self._folder.uri, error=error.message)

    def _take(self) -> str:
        while True:
            found = self._folder.read(FILE_NAME)
            if found is None:
                tag = self._folder.create(FILE_NAME, self._content())
            else:
                if not _is_free(found):
                    self._wait_out(found)
                tag = self._folder.replace(FILE_NAME, self._content(), found.tag)
            if tag is not None:
                return tag

    def _wait_out(self, found: Stored) -> None:
        """Waits until a lease has not been renewed for as long as it lasts."""
        holder, lasts_s = _holder(found), _lasts(found, self._lasts_s)
        self._note(f"waiting up to {lasts_s:.0f} s for {holder}, which may have died")
        until = time.monotonic() + lasts_s
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, lasts_s / 6))
            now = self._folder.read(FILE_NAME)
            if now is None or _is_free(now):
                return
            if now.tag != found.tag:
                raise ShardTakenError(
                    f"{self._folder.uri}: another sweep is writing there ({_holder(now)}); "
                    "let it end"
                )

    def _renew(self) -> None:
        while not self._is_over.wait(self._lasts_s / 3):
            try:
                self._is_lost = not self._renew_once()
            except StoreUnavailableError as error:  # the next renewal may be in time
                _log.warning("lease_not_renewed", shard=self._folder.uri, error=error.message)
            except UserInputError as error:
                _log.error("lease_not_renewed", shard=self._folder.uri, error=error.message)
            if self._is_lost:
                return

    def _renew_once(self) -> bool:
        tag = self._folder.replace(FILE_NAME, self._content(), self._tag)
        if tag is None:
            # Perhaps our own put, whose answer was lost.
            found = self._folder.read(FILE_NAME)
            if found is None or _holder(found) != self._driver:
                return False
            tag = found.tag
        self._tag = tag
        return True

    def _content(self, *, is_free: bool = False) -> bytes:
        return _content(self._driver, self._lasts_s, is_free=is_free)


def taken_by_another_count(place: str) -> ShardTakenError:
    """Makes the error that says that a sweep is under way with another number of shards."""
    return ShardTakenError(
        f"{place}: a sweep with another number of shards is writing there, and would ask the same "
        "questions; let it end"
    )


def wait_out(
    folders: Sequence[ObjectFolder], *, lasts_s: float, note: Callable[[str], None]
) -> None:
    """Waits until nobody can hold a lease on these shards, and frees those of drivers that died.

    Args:
        folders: The shards' folders.
        lasts_s: How long a lease lasts that does not say so.
        note: Told, in a line for people, when there is something to wait for.

    Raises:
        ShardTakenError: A driver renewed its lease.
        UserInputError: The store cannot be read or written.
    """
    held = {folder: found for folder in folders if (found := _held(folder)) is not None}
    if not held:
        return
    longest = max(_lasts(found, lasts_s) for found in held.values())
    note(f"waiting up to {longest:.0f} s for drivers of other shards, which may have died")
    until = time.monotonic() + longest
    while held and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, longest / 6))
        for folder, before in list(held.items()):
            now = _held(folder)
            if now is None:
                del held[folder]
            elif now.tag != before.tag:
                raise taken_by_another_count(folder.uri)
    for folder, found in held.items():
        # Nobody's from now on, should its driver only have been paused; nobody waits for it again.
        folder.replace(FILE_NAME, _content("", lasts_s, is_free=True), found.tag)


def _held(folder: ObjectFolder) -> Stored | None:
    found = folder.read(FILE_NAME)
    return None if found is None or _is_free(found) else found


def _content(driver: str, lasts_s: float, *, is_free: bool) -> bytes:
    # The number makes each content, and so each tag, another one.
    content = {
        "driver": driver,
        "lasts_s": lasts_s,
        "is_free": is_free,
        "number": uuid.uuid4().hex,
    }
    return json.dumps(content).encode()


def _is_free(found: Stored) -> bool:
    return bool(_value(found, "is_free", False))


def _holder(found: Stored) -> str:
    return str(_value(found, "driver", "a driver without a name"))


def _lasts(found: Stored, otherwise: float) -> float:
    value = _value(found, "lasts_s", otherwise)
    return float(value) if isinstance(value, int | float) else otherwise


def _value(found: Stored, name: str, otherwise: object) -> object:
    try:
        content = json.loads(found.content)
    except ValueError:  # written by something else: it counts as a lease that nobody renews
        return otherwise
    return content.get(name, otherwise) if isinstance(content, dict) else otherwise
