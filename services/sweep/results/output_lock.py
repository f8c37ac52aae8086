"""Holds a shard of an output, so that no second driver writes there at the same time."""

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.core.errors import UserInputError
from services.sweep.results.folder import LocalFolder
from services.sweep.results.lease import (
    Lease,
    ShardTakenError,
    driver_name,
    taken_by_another_count,
    wait_out,
)
from services.sweep.results.objects import ObjectFolder
from services.sweep.results.patience import CommitPatience
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard

_FILE_NAME = ".lock"

# How long a shard in an object store stays taken after its driver was killed.
LEASE_S = 30.0


def silent(_line: str) -> None:
    """Says nothing of what there is to wait for."""


@contextmanager
def hold_shard(
    store: ResultStore,
    shard: Shard,
    *,
    to_ask: bool = False,
    note: Callable[[str], None] = silent,
    lease_s: float = LEASE_S,
    patience: CommitPatience | None = None,
) -> Iterator[ResultTables]:
    """Holds a shard and takes its tables over; give what is stored a look only after that.

    On a disk the hold ends with the process, however that ends. In an object store it ends
    ``lease_s`` after the process was killed: the next driver waits for as long.

    Args:
        store: The output.
        shard: The shard.
        to_ask: Whether questions are going to be asked: then no driver may be writing a shard of
            another number of shards, as it would ask the same ones.
        note: Told, in a line for people, when there is something to wait for.
        lease_s: Seconds that a lease in an object store lasts when it is not renewed.
        patience: How long commits are tried again when an object store does not answer.

    Returns:
        The shard's tables, to be written.

    Raises:
        ShardTakenError: Another driver is writing there, or with another number of shards.
        UserInputError: The output cannot be written.
    """
    folder, driver = store.folder(shard), driver_name()
    if isinstance(folder, LocalFolder):
        with _locked(folder.path):
            if to_ask:
                # Once this shard is held: of two that look at each other, not both may go on.
                others = [store.folder(other) for other in _otherwise_counted(store, shard)]
                _require_unlocked(one for one in others if isinstance(one, LocalFolder))
            tables = ResultTables(folder, driver=driver)
            tables.take_over()
            yield tables
        return
    assert isinstance(folder, ObjectFolder)
    lease = Lease(folder, driver, lasts_s=lease_s, note=note)
    try:
        if to_ask:
            others = [store.folder(other) for other in _otherwise_counted(store, shard)]
            elsewhere = [one for one in others if isinstance(one, ObjectFolder)]
            wait_out(elsewhere, lasts_s=lease_s, note=note)
        tables = ResultTables(folder, driver=driver, patience=patience, check=lease.check)
        tables.take_over()
        yield tables
    finally:
        lease.give_back()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _FILE_NAME).open("w")
    except OSError as error:
        message = f"{folder}: cannot write the output folder: {error.strerror}"
        raise UserInputError(message) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"{folder}: another sweep is writing there; let it end"
            raise ShardTakenError(message) from error
        except OSError as error:
            raise _no_locks(folder, error) from error
        yield


def _otherwise_counted(store: ResultStore, shard: Shard) -> list[Shard]:
    return [other for other in store.shards() if other.count != shard.count]


def _require_unlocked(folders: Iterable[LocalFolder]) -> None:
    for folder in folders:
        try:
            stream = (folder.path / _FILE_NAME).open()
        except FileNotFoundError:
            continue
        except OSError as error:
            message = f"{folder.path / _FILE_NAME}: cannot be read: {error.strerror}"
            raise UserInputError(message) from error
        with stream:
            try:
                # Shared: others may be looking at the same moment.
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise taken_by_another_count(folder.uri) from error
            except OSError as error:
                raise _no_locks(folder.path, error) from error


def _no_locks(folder: Path, error: OSError) -> UserInputError:
    return UserInputError(
        f"{folder}: cannot be locked: {error.strerror}; put the output on a volume that has locks, "
        "or into an object store such as s3://bucket/prefix"
    )
