"""A Delta table with one writer, who loses it to the next one and can then commit no more.

A commit names the version that it makes. Whoever takes a table over commits first, so that the
version that the writer before would make is there already: what that one still sends, even hours
later, is refused by the put-if-absent of the log and ends with a clear error.

A lost answer of an object store leaves open whether a commit happened. Each carries a name of its
own: the log says whether it is there, and sending it again cannot make a second one.
"""

import io
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction

from services.core.errors import StorageError, UserInputError
from services.sweep.results.folder import (
    LocalFolder,
    ResultFolder,
    StoreUnavailableError,
    sync_path,
)
from services.sweep.results.patience import CommitPatience
from services.sweep.results.store_faults import is_disk_fault, said_by

# An object store's library tries again by itself; this bounds how long, before we do.
_REMOTE_OPTIONS = {"max_retries": "3", "retry_timeout": "20s"}

_CONFIGURATION: Mapping[str, str | None] = {
    # Nobody travels back in time: old log entries and replaced files need not be kept for long.
    "delta.logRetentionDuration": "interval 1 day",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
    "delta.checkpointInterval": "50",
}


class FencedTable:
    """A Delta table that one driver writes, until another takes it over.

    Args:
        folder: The table's folder.
        schema: The table's columns.
        driver: Names the driver, in the log and in messages.
        patience: How long a commit is tried again.
    """

    def __init__(
        self, folder: ResultFolder, schema: pa.Schema, driver: str, patience: CommitPatience
    ) -> None:
        self._folder = folder
        self._schema = schema
        self._driver = driver
        self._patience = patience
        self._opened: DeltaTable | None = None
        self._version = -1

    @property
    def uri(self) -> str:
        """Path or URI of the table."""
        return self._folder.uri

    @property
    def table(self) -> DeltaTable:
        """The table as this writer left it; taken over with the first use."""
        if self._opened is None:
            self.take_over()
        assert self._opened is not None
        return self._opened

    def take_over(self) -> None:
        """Makes the table this driver's own: its writer before can commit nothing more.

        Raises:
            UserInputError: The table cannot be written, or another driver is taking it over too.
        """
        while True:
            opened = open_table(self._folder)
            if opened is None and self._create():
                return
            if opened is not None:
                break
        self._opened, self._version = opened, opened.version()
        self._commit(
            lambda table, properties: table.alter.set_table_properties(
                {"expart.driver": self._driver},
                raise_if_not_exists=False,
                commit_properties=properties,
            )
        )

    def append(self, rows: pa.Table) -> None:
        """Makes rows durable together.

        Raises:
            UserInputError: The table cannot be written, or another driver has taken it over.
        """
        self._write(rows.to_reader(), "append")

    def overwrite(self, rows: pa.RecordBatchReader) -> None:
        """Replaces all the rows by these, which are read once, batch by batch.

        Raises:
            UserInputError: The table cannot be written, or another driver has taken it over.
        """
        self._write(rows, "overwrite")

    def commit(self, change: Callable[[DeltaTable, CommitProperties], object]) -> None:
        """Commits a change, once, at the version that follows what this writer knows.

        Raises:
            UserInputError: The table cannot be written, or another driver has taken it over.
        """
        _ = self.table
        self._commit(change)

    @property
    def file_count(self) -> int:
        """How many files the table consists of now."""
        return len(self.table.file_uris())

    def clean(self, keep_hours: int) -> None:
        """Sums the log up, and removes what is old: of the log, and of writes that were cut short.

        Raises:
            UserInputError: The table cannot be written.
        """
        try:
            self.table.create_checkpoint()
            self.table.cleanup_metadata()
        except (DeltaError, OSError) as error:
            raise self._cannot_write(error) from error
        self._folder.remove_leftovers(timedelta(hours=keep_hours))

    def _create(self) -> bool:
        properties, name = self._properties()
        try:
            if isinstance(self._folder, LocalFolder):
                self._folder.path.mkdir(parents=True, exist_ok=True)
            self._opened = DeltaTable.create(
                self.uri,
                self._schema,
                mode="error",
                configuration=_CONFIGURATION,
                storage_options=storage_options(self._folder),
                commit_properties=properties,
            )
        except (DeltaError, OSError) as error:
            if self._named_at(0) is None:
                raise self._cannot_write(error) from error
            if self._named_at(0) != name:
                return False  # another driver was first
            self._opened = open_table(self._folder)
        self._sync_log(0)
        self._version = 0
        return True

    def _write(self, rows: pa.RecordBatchReader, mode: str) -> None:
        table = self.table  # taken over before anything is written
        file = self._put_rows(rows)
        action = AddAction(
            path=file.name,
            size=file.size,
            partition_values={},
            modification_time=int(time.time() * 1000),
            data_change=True,
            stats=json.dumps({"numRecords": file.rows}),
        )
        schema = table.schema()
        self._commit(
            lambda opened, properties: opened.create_write_transaction(
                [action], mode, schema, commit_properties=properties
            )
        )

    def _put_rows(self, rows: pa.RecordBatchReader) -> "_File":
        stream = io.BytesIO()
        count = 0
        with pq.ParquetWriter(stream, rows.schema, compression="zstd") as writer:
            for batch in rows:
                writer.write_batch(batch)
                count += batch.num_rows
        content = stream.getvalue()
        name = f"part-{uuid.uuid4()}.zstd.parquet"
        self._patience.bear(lambda: self._folder.write(name, content))
        return _File(name, len(content), count)

    def _commit(self, change: Callable[[DeltaTable, CommitProperties], object]) -> None:
        table = self._opened
        assert table is not None
        properties, name = self._properties()

        def try_once() -> None:
            try:
                change(table, properties)
            except (DeltaError, OSError) as error:
                found = self._named_at(self._version + 1)
                if found is None:
                    raise self._cannot_write(error) from error
                if found != name:
                    raise self._taken() from error

        self._patience.bear(try_once)
        self._patience.bear(lambda: self._accept(table, name))

    def _accept(self, table: DeltaTable, name: str) -> None:
        """Goes on from the version that was made, unless others have made one too."""
        if table.version() == self._version:  # the library does not always look at what it wrote
            try:
                table.update_incremental()
            except (DeltaError, OSError) as error:
                raise self._cannot_write(error) from error
        for version in range(self._version + 1, table.version() + 1):
            if self._named_at(version) != name:
                raise self._taken()
        self._sync_log(table.version())
        self._version = table.version()

    def _sync_log(self, version: int) -> None:
        """Makes a version durable on a disk: the library writes it and does not wait for that."""
        if isinstance(self._folder, LocalFolder):
            log = self._folder.path / "_delta_log"
            try:
                sync_path(log / f"{version:020}.json")
                sync_path(log)
            except OSError as error:
                raise self._cannot_write(error) from error

    def _properties(self) -> tuple[CommitProperties, str]:
        name = uuid.uuid4().hex
        metadata = {"driver": self._driver, "commit": name}
        return CommitProperties(custom_metadata=metadata, max_commit_retries=0), name

    def _named_at(self, version: int) -> str | None:
        """The name of the commit that made a version; nothing where there is no such version."""
        stored = self._folder.read(f"_delta_log/{version:020}.json")
        if stored is None:
            return None
        for line in stored.content.splitlines():
            if "commitInfo" in (action := json.loads(line)):
                return str(action["commitInfo"].get("commit", ""))
        return ""

    def _taken(self) -> StorageError:
        return StorageError(
            f"{self.uri}: another driver has taken this shard over and goes on with it; this one "
            "ends, and nothing that it had stored is lost"
        )

    def _cannot_write(self, error: Exception) -> UserInputError:
        kind: type[UserInputError] = StoreUnavailableError
        if isinstance(self._folder, LocalFolder):
            kind = StorageError if is_disk_fault(error) else UserInputError
        return kind(f"{self.uri}: cannot write the results: {said_by(error)}")


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    size: int
    rows: int


def open_table(folder: ResultFolder) -> DeltaTable | None:
    """Opens a table as it is now; nothing where there is none.

    Raises:
        UserInputError: The table cannot be read.
    """
    try:
        return DeltaTable(folder.uri, storage_options=storage_options(folder))
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        kind = UserInputError if isinstance(folder, LocalFolder) else StoreUnavailableError
        raise kind(f"{folder.uri}: cannot read the results: {said_by(error)}") from error


def storage_options(folder: ResultFolder) -> dict[str, str] | None:
    """What Delta is told of an object store; everything else it takes from the environment."""
    return None if isinstance(folder, LocalFolder) else dict(_REMOTE_OPTIONS)
