"""Reads rows from a Parquet file, a few at a time."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from services.core.errors import UserInputError
from services.scoring.score_file.row import (
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    BrokenRow,
    FileRow,
    RowReader,
)

_BATCH_ROWS = 256
# Without a buffer a whole column of a row group would be read at once.
_BUFFER_BYTES = 2**20
_MAX_SHOWN_COLUMNS = 30


class ParquetSource:
    """Rows of a Parquet file.

    Args:
        path: The file.
        wants_candidate_entities: Whether every row must list the candidate's own entities.

    Attributes:
        name: What messages call the file.
        unit: ``row``.

    Raises:
        OSError: The file cannot be opened.
        UserInputError: It is no Parquet file, or lacks columns.
    """

    unit = "row"

    def __init__(self, path: Path, *, wants_candidate_entities: bool) -> None:
        self.name = str(path)
        self._reader = RowReader(wants_candidate_entities=wants_candidate_entities)
        self._read_count = 0
        try:
            self._file = pq.ParquetFile(path, buffer_size=_BUFFER_BYTES)
        except pa.ArrowException as error:
            raise UserInputError(f"{path}: is no Parquet file: {error}") from error
        required: tuple[str, ...] = REQUIRED_COLUMNS
        if wants_candidate_entities:
            required = (*REQUIRED_COLUMNS, "candidate_entities")
        try:
            self._columns = _check_schema(self.name, self._file.schema_arrow, required)
        except UserInputError:
            self._file.close()
            raise
        self._row_count = int(self._file.metadata.num_rows)

    def batches(self) -> Iterator[list[FileRow | BrokenRow]]:
        """Yields the rows, some at a time.

        Raises:
            UserInputError: The file cannot be read any further.
        """
        try:
            for batch in self._file.iter_batches(
                batch_size=_BATCH_ROWS, columns=list(self._columns), use_threads=False
            ):
                yield self._rows(batch)
                self._read_count += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise UserInputError(
                f"{self.name}: cannot be read any further after row {self._read_count}: {error}"
            ) from error

    def fraction(self) -> float | None:
        """Says how much of the file has been read, 0-1; None where it has no rows."""
        return self._read_count / self._row_count if self._row_count else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _rows(self, batch: pa.RecordBatch) -> list[FileRow | BrokenRow]:
        first = self._read_count + 1
        try:
            records = batch.to_pylist()
        except UnicodeDecodeError:  # in one of its rows
            return [self._row(first + index, batch, index) for index in range(batch.num_rows)]
        return [self._reader.read(first + index, record) for index, record in enumerate(records)]

    def _row(self, number: int, batch: pa.RecordBatch, index: int) -> FileRow | BrokenRow:
        columns: dict[str, object] = {}
        for name in self._columns:
            try:
                columns[name] = batch.column(name)[index].as_py()
            except UnicodeDecodeError as error:
                row_id = columns.get("id")
                problem = (
                    f"{name} must be UTF-8, has the byte 0x{error.object[error.start]:02X} after "
                    f"{error.start} bytes"
                )
                known = row_id if isinstance(row_id, str | int) else None
                return BrokenRow(number, known, problem)
        return self._reader.read(number, columns)


def _check_schema(name: str, schema: pa.Schema, required: Sequence[str]) -> tuple[str, ...]:
    """Checks that the columns are there and of a type that rows can be made of.

    Returns:
        Those of the columns that scoring reads.

    Raises:
        UserInputError: A column is missing or of a wrong type.
    """
    missing = [column for column in required if column not in schema.names]
    if missing:
        found = ", ".join(schema.names[:_MAX_SHOWN_COLUMNS]) or "none"
        optional = ", ".join(column for column in OPTIONAL_COLUMNS if column not in required)
        raise UserInputError(
            f"{name}: the column {' and '.join(missing)} is missing; the file has the columns "
            f"{found}; wanted are {', '.join(required)}, and as you like {optional}"
        )
    wanted = [column for column in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if column in schema.names]
    for column in wanted:
        if schema.names.count(column) > 1:
            raise UserInputError(f"{name}: the column {column} is there more than once")
        description, is_right = _TYPES[column]
        found_type = schema.field(column).type
        if not is_right(found_type):
            raise UserInputError(
                f"{name}: the column {column} must hold {description}, holds {found_type}"
            )
    return tuple(sorted(wanted, key=("id", *wanted).index))  # the id first, to name broken rows


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_id(kind: pa.DataType) -> bool:
    return bool(_is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))


def _is_text_list(kind: pa.DataType) -> bool:
    if pa.types.is_null(kind):
        return True
    is_list = (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )
    return bool(is_list) and (_is_text(kind.value_type) or pa.types.is_null(kind.value_type))


_TYPES: dict[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "candidate": ("strings", _is_text),
    "reference": ("strings", _is_text),
    "id": ("strings or integers", _is_id),
    "entities": ("lists of strings", _is_text_list),
    "candidate_entities": ("lists of strings", _is_text_list),
}
