"""The result tables of one shard: Delta tables that one driver alone writes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from services.core.errors import UserInputError
from services.sweep.results.delta import FencedTable, open_table
from services.sweep.results.folder import LocalFolder, ResultFolder
from services.sweep.results.lease import driver_name
from services.sweep.results.patience import CommitPatience
from services.sweep.results.rows import (
    SCHEMAS,
    FailureRow,
    GenerationRow,
    PlanRow,
    Row,
    ScoreRow,
    Table,
)
from services.sweep.results.store_faults import said_by
from services.sweep.results.table_files import read_batches, table_files

_TABLE_OF: dict[type[Row], Table] = {
    PlanRow: Table.PLAN,
    GenerationRow: Table.GENERATIONS,
    ScoreRow: Table.SCORES,
    FailureRow: Table.FAILURES,
}

# What a reader holds at a time does not grow with the table.
_READ_AHEAD = {"batch_readahead": 2, "fragment_readahead": 1}

# Rows of a plan that are held together while it is written.
_ROWS_A_PART = 32 * 1024


def _unguarded() -> None:
    pass


# Rows read at a time and ahead: more takes hundreds of megabytes and is no faster.
_READING = {"batch_size": 32_768, "batch_readahead": 2, "fragment_readahead": 1}


class ResultTables:
    """Appends to and reads the tables of a shard.

    An append is one Delta commit: after it returns the rows survive anything short of losing the
    disk or bucket, and before that readers see none of them.

    Args:
        folder: The shard's folder; created with the first append.
        driver: Names who writes.
        patience: How long a commit is tried again when an object store does not answer.
        check: Raises when the shard is no longer held.
    """

    def __init__(
        self,
        folder: ResultFolder | Path,
        *,
        driver: str = "",
        patience: CommitPatience | None = None,
        check: Callable[[], None] = _unguarded,
    ) -> None:
        self._folder = LocalFolder(folder) if isinstance(folder, Path) else folder
        self._check = check
        self._pinned: dict[Table, DeltaTable | None] = {}
        self._patience = patience or CommitPatience()
        self._tables = {
            table: FencedTable(
                self._folder.child(table.value),
                SCHEMAS[table],
                driver or driver_name(),
                self._patience,
            )
            for table in Table
        }

    @property
    def folder(self) -> ResultFolder:
        """The shard's folder."""
        return self._folder

    @property
    def fenced(self) -> tuple[FencedTable, ...]:
        """The tables, as this driver writes them."""
        return tuple(self._tables.values())

    def take_over(self) -> None:
        """Makes the tables this driver's own: who wrote them before can commit nothing more.

        Raises:
            UserInputError: They cannot be written, or another driver is taking them over too.
        """
        for table in self.fenced:
            table.take_over()

    def append(self, rows: Sequence[Row]) -> None:
        """Makes rows of one kind durable together.

        Raises:
            UserInputError: They cannot be written, or another driver has taken the shard over.
        """
        if rows:
            self._check()
            table = _TABLE_OF[type(rows[0])]
            self._tables[table].append(_as_arrow(table, rows))

    def write(self, name: str, content: bytes) -> None:
        """Makes a file of the shard's folder durable, in the place of the one before.

        Raises:
            UserInputError: It cannot be written, or another driver has taken the shard over.
        """

        def write() -> None:
            self._check()
            self._folder.write(name, content)

        self._patience.bear(write)

    def replace_plan(self, rows: Iterable[PlanRow]) -> None:
        """Replaces the planned questions by these, which are read once and never held together.

        Raises:
            UserInputError: They cannot be written, or another driver has taken the shard over.
        """
        self._check()
        waiting = iter(rows)
        parts = iter(lambda: list(islice(waiting, _ROWS_A_PART)), [])
        batches = (batch for part in parts for batch in _as_arrow(Table.PLAN, part).to_batches())
        plan = pa.RecordBatchReader.from_batches(SCHEMAS[Table.PLAN], batches)
        self._tables[Table.PLAN].overwrite(plan)

    def pin(self, table: Table) -> None:
        """Reads a table from now on as it is at this moment, whatever is stored in it later.

        Raises:
            UserInputError: The table cannot be read.
        """
        self._pinned[table] = open_table(self._folder.child(table.value))

    def has(self, table: Table) -> bool:
        """Whether anything was ever stored in the table.

        Raises:
            UserInputError: The table cannot be read.
        """
        opened = open_table(self._folder.child(table.value))
        return opened is not None and bool(opened.file_uris())

    def size_bytes(self) -> int:
        """Bytes of the files that the tables consist of now.

        Raises:
            UserInputError: A table cannot be read.
        """
        opened = [open_table(self._folder.child(table.value)) for table in Table]
        return sum(
            sum(table.get_add_actions().column("size_bytes").to_pylist())
            for table in opened
            if table is not None
        )

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        where: pc.Expression | None = None,
        *,
        coded: Sequence[str] = (),
    ) -> Iterator[pa.RecordBatch]:
        """Reads columns of a table, part by part, in no particular order of rows.

        Args:
            table: Which table.
            columns: Names of the columns.
            where: Which rows; by default all.
            coded: Columns of texts that recur, to be read as dictionaries where all rows are read:
                each text is then read once.

        Raises:
            UserInputError: The table cannot be read.
        """
        folder = self._folder.child(table.value)
        opened = self._pinned[table] if table in self._pinned else open_table(folder)
        if opened is None:
            return
        schema = pa.schema([SCHEMAS[table].field(name) for name in columns])
        try:
            if where is None:
                yield from read_batches(opened, folder, schema, coded)
            else:
                scan = opened.to_pyarrow_dataset(filesystem=table_files(opened, folder))
                yield from scan.to_batches(columns=schema.names, filter=where, **_READING)
        except (DeltaError, OSError, pa.ArrowInvalid) as error:
            message = f"{folder.uri}: cannot read the results: {said_by(error)}"
            raise UserInputError(message) from error


def _as_arrow(table: Table, rows: Sequence[Row]) -> pa.Table:
    schema = SCHEMAS[table]
    columns = {name: [getattr(row, name) for row in rows] for name in schema.names}
    return pa.Table.from_pydict(columns, schema=schema)
