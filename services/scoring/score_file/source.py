"""Opens a file of rows by its name."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from services.core.errors import UserInputError
from services.scoring.score_file.json_lines import JsonLinesSource
from services.scoring.score_file.parquet import ParquetSource
from services.scoring.score_file.row import BrokenRow, FileRow

STANDARD_INPUT = "-"

_JSON_LINES_SUFFIXES = (".jsonl", ".ndjson", ".json")
_COMPRESSED_SUFFIXES = ("", ".gz", ".zst")
_PARQUET_SUFFIXES = (".parquet", ".pq")


class RowSource(Protocol):
    """Rows of a file, in their order; a context manager that closes the file.

    Attributes:
        name: What messages call the file.
        unit: What its row numbers count: ``line`` or ``row``.
    """

    name: str
    unit: str

    def batches(self) -> Iterator[list[FileRow | BrokenRow]]:
        """Yields the rows, some at a time.

        Raises:
            UserInputError: The file cannot be read any further.
        """
        ...

    def fraction(self) -> float | None:
        """Says how much of the file has been read, 0-1; None where its size is unknown."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_source(file: str, *, wants_candidate_entities: bool = False) -> RowSource:
    """Opens a file of rows: JSON Lines, compressed or not, or Parquet; ``-`` is standard input.

    Args:
        file: Path of the file.
        wants_candidate_entities: Whether every row must list the candidate's own entities.

    Raises:
        UserInputError: The file is not there, is of another kind, or lacks columns.
    """
    path = Path(file)
    name = path.name.lower()
    try:
        if file == STANDARD_INPUT:
            return JsonLinesSource.standard_input(wants_candidate_entities=wants_candidate_entities)
        if name.endswith(_PARQUET_SUFFIXES):
            return ParquetSource(path, wants_candidate_entities=wants_candidate_entities)
        for compression in _COMPRESSED_SUFFIXES:
            if name.endswith(tuple(suffix + compression for suffix in _JSON_LINES_SUFFIXES)):
                return JsonLinesSource.open(
                    path, compression, wants_candidate_entities=wants_candidate_entities
                )
    except OSError as error:
        raise UserInputError(f"{file}: cannot be read: {error.strerror or error}") from error
    raise UserInputError(
        f"{file}: the name must end in {', '.join(_JSON_LINES_SUFFIXES)} (also with .gz or .zst) "
        f"or {', '.join(_PARQUET_SUFFIXES)}; - reads JSON Lines from standard input"
    )
