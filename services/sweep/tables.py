"""The result tables of one output folder: Delta tables that this driver alone writes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from services.core.errors import UserInputError
from services.sweep.plan import ScoredAgainst, StoredResults
from services.sweep.rows import (
    SCHEMAS,
    FailureRow,
    GenerationRow,
    PlanRow,
    Row,
    ScoreRow,
    Stage,
    SweepFailure,
    Table,
)

_WriteMode = Literal["append", "overwrite"]

_TABLE_OF: dict[type[Row], Table] = {
    PlanRow: Table.PLAN,
    GenerationRow: Table.GENERATIONS,
    ScoreRow: Table.SCORES,
    FailureRow: Table.FAILURES,
}


class ResultTables:
    """Appends to and reads the tables of an output folder.

    An append is one Delta commit: after it returns the rows survive anything short of losing the
    disk, and before that readers see none of them.

    Args:
        folder: The output folder; created with the first append.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The output folder."""
        return self._folder

    def append(self, rows: Sequence[Row]) -> None:
        """Makes rows of one kind durable together.

        Raises:
            UserInputError: The folder cannot be written.
        """
        if rows:
            self._write(_TABLE_OF[type(rows[0])], rows, mode="append")

    def replace_plan(self, rows: Sequence[PlanRow]) -> None:
        """Replaces the planned questions by these.

        Raises:
            UserInputError: The folder cannot be written.
        """
        self._write(Table.PLAN, rows, mode="overwrite")

    def has(self, table: Table) -> bool:
        """Whether the table was written at all."""
        return DeltaTable.is_deltatable(self._uri(table))

    def batches(
        self, table: Table, columns: Sequence[str], where: pc.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Reads columns of a table, part by part, in no particular order of rows.

        Raises:
            UserInputError: The table cannot be read.
        """
        if not self.has(table):
            return
        try:
            dataset = DeltaTable(self._uri(table)).to_pyarrow_dataset()
            yield from dataset.to_batches(columns=list(columns), filter=where)
        except (DeltaError, OSError, pa.ArrowInvalid) as error:
            raise UserInputError(f"{self._uri(table)}: cannot read the results: {error}") from error

    def _write(self, table: Table, rows: Sequence[Row], mode: _WriteMode) -> None:
        schema = SCHEMAS[table]
        columns = {name: [getattr(row, name) for row in rows] for name in schema.names}
        data = pa.Table.from_pydict(columns, schema=schema)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_deltalake(self._uri(table), data, mode=mode)
        except (DeltaError, OSError) as error:
            raise UserInputError(
                f"{self._uri(table)}: cannot write the results: {error}"
            ) from error

    def _uri(self, table: Table) -> str:
        return str(self._folder / table.value)


def read_stored(tables: ResultTables) -> StoredResults:
    """Reads what is stored, as far as planning needs it: keys, not texts.

    Raises:
        UserInputError: A table cannot be read.
    """
    generated: set[str] = set()
    for batch in tables.batches(Table.GENERATIONS, ["key"]):
        generated.update(batch.column("key").to_pylist())
    failed: set[str] = set()
    scoring_failed: dict[str, tuple[datetime, str]] = {}
    without_picture: set[str] = set()
    columns = ["key", "stage", "reason", "final", "reference_digest", "failed_at"]
    for batch in tables.batches(Table.FAILURES, columns):
        for row in batch.to_pylist():
            if row["reason"] == SweepFailure.PICTURE_MISSING:
                without_picture.add(row["key"])
            elif row["final"] and row["stage"] == Stage.GENERATION:
                failed.add(row["key"])
            elif row["final"]:
                failure = (row["failed_at"], row["reference_digest"])
                scoring_failed[row["key"]] = max(failure, scoring_failed.get(row["key"], failure))
    return StoredResults(
        generated=frozenset(generated),
        scored=_scored(tables, scoring_failed),
        failed=frozenset(failed - generated),
        scoring_failed={key: reference for key, (_, reference) in scoring_failed.items()},
        without_picture=frozenset(without_picture),
    )


def _scored(
    tables: ResultTables, failed: Mapping[str, tuple[datetime, str]]
) -> dict[str, ScoredAgainst]:
    """What each key's last scores were computed against.

    Scores from before the same explanation failed to be scored again count no more: they would
    carry other signatures than the rest for ever.
    An answer's scores are stored in one commit, so that one of its rows speaks for all.
    """
    latest: dict[str, tuple[datetime, ScoredAgainst]] = {}
    known: dict[str, str] = {}  # a few signatures, shared by all keys
    columns = ["key", "reference_digest", "signatures_digest", "scored_at"]
    for batch in tables.batches(Table.SCORES, columns):
        # One row an answer instead of one a metric, before anything becomes a Python object.
        answers = pa.Table.from_batches([batch]).group_by(columns).aggregate([])
        for row in answers.to_pylist():
            if row["key"] not in latest or row["scored_at"] >= latest[row["key"]][0]:
                signatures = known.setdefault(row["signatures_digest"], row["signatures_digest"])
                against = ScoredAgainst(row["reference_digest"], signatures)
                latest[row["key"]] = (row["scored_at"], against)
    return {
        key: against
        for key, (scored_at, against) in latest.items()
        if not (
            key in failed
            and failed[key][1] == against.reference_digest
            and failed[key][0] >= scored_at
        )
    }
