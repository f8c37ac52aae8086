"""A row of the file that is scored, and every check on its columns."""

from collections.abc import Mapping
from dataclasses import dataclass

RowId = str | int

REQUIRED_COLUMNS = ("candidate", "reference")
OPTIONAL_COLUMNS = ("id", "entities", "candidate_entities")

MAX_ID_CHARS = 1000
_MAX_SHOWN_CHARS = 60
_MAX_SHOWN_COLUMNS = 10
_INT64_RANGE = range(-(2**63), 2**63)  # what a Parquet column of integers holds

_MISSING = {
    "candidate": "the text to be scored, a string (empty for an empty answer)",
    "reference": "the text that the candidate is compared with, a string",
    "candidate_entities": (
        "a list of the candidate's own entities, as --generated-entities given reads them "
        "(empty for none)"
    ),
}


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row that can be sent to be scored.

    Attributes:
        number: Which row of the file it is, from 1; in a file of lines, which line.
        row_id: The row's own name, if the file names rows.
        candidate: The text to be scored.
        reference: The reference text.
        entities: The reference's entities.
        candidate_entities: The candidate's own entities.
    """

    number: int
    row_id: RowId | None
    candidate: str
    reference: str
    entities: tuple[str, ...] = ()
    candidate_entities: tuple[str, ...] = ()

    @property
    def cost_bytes(self) -> int:
        """Roughly what the row occupies while it waits."""
        entities = sum(map(len, self.entities)) + sum(map(len, self.candidate_entities))
        return 500 + len(self.candidate) + len(self.reference) + entities


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that cannot be scored.

    Attributes:
        number: Which row of the file it is, from 1; in a file of lines, which line.
        row_id: The row's own name, if it could be read.
        problem: What is wrong, and what is wanted.
    """

    number: int
    row_id: RowId | None
    problem: str

    def describe(self, unit: str) -> str:
        """Says which row is broken and why, on one line.

        Args:
            unit: What the file's numbers count: ``line`` or ``row``.
        """
        name = "" if self.row_id is None else f" (id {shown(self.row_id)})"
        return f"{unit} {self.number}{name}: {self.problem}"


class _ColumnError(Exception):
    """A column of the row is not what it must be; the message says so."""


class _MissingColumnError(_ColumnError):
    """A column is not there, or null."""

    def __init__(self, column: str) -> None:
        super().__init__(f"{column} is missing; wanted is {_MISSING[column]}")
        self.column = column


class RowReader:
    """Makes rows of what a file holds; remembers how the first good row was named.

    Args:
        wants_candidate_entities: Whether every row must list the candidate's own entities.
    """

    def __init__(self, *, wants_candidate_entities: bool) -> None:
        self._wants_candidate_entities = wants_candidate_entities
        self._id_type: type[RowId] | None = None
        self._knows_id_type = False

    def read(self, number: int, columns: Mapping[str, object]) -> FileRow | BrokenRow:
        """Makes a row of the values of its columns; columns that scoring does not need are let be.

        Args:
            number: Which row it is.
            columns: The values by name; None means the same as no value.
        """
        row_id = None
        try:
            row_id = _read_id(columns.get("id"))
            self._check_id_type(row_id)
            row = FileRow(
                number,
                row_id,
                _read_text("candidate", columns.get("candidate")),
                _read_text("reference", columns.get("reference")),
                _read_list("entities", columns.get("entities")),
                self._read_candidate_entities(columns),
            )
        except _MissingColumnError as error:
            return BrokenRow(number, row_id, f"{error}{_found(error.column, columns)}")
        except _ColumnError as error:
            return BrokenRow(number, row_id, str(error))
        self._id_type, self._knows_id_type = type(row_id) if row_id is not None else None, True
        return row

    def _check_id_type(self, row_id: RowId | None) -> None:
        """Checks that the rows are named alike, so that the scores can be joined by the name."""
        if not self._knows_id_type:
            return
        wanted = self._id_type
        if (None if row_id is None else type(row_id)) is wanted:
            return
        if row_id is None:
            raise _ColumnError("id is missing, and the rows before it have one")
        if wanted is None:
            raise _ColumnError("id must be absent, as in the rows before it")
        raise _ColumnError(f"id must be {_JSON_NAMES[wanted]}, as in the rows before it")

    def _read_candidate_entities(self, columns: Mapping[str, object]) -> tuple[str, ...]:
        if not self._wants_candidate_entities:
            return ()
        value = columns.get("candidate_entities")
        if value is None:
            raise _missing("candidate_entities")
        return _read_list("candidate_entities", value)


_JSON_NAMES: dict[type[object], str] = {
    str: "a string",
    int: "an integer",
    float: "a number with a fraction",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def shown(value: object) -> str:
    """Writes a value of a row so that it fits into an error message."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…"


def json_name(value: object) -> str:
    """Says what kind of value it is, in JSON's words."""
    return _JSON_NAMES.get(type(value), f"a {type(value).__name__}")


def _missing(column: str) -> _ColumnError:
    return _MissingColumnError(column)


def _found(column: str, columns: Mapping[str, object]) -> str:
    """Lists the columns of a row that lacks one: it may be misspelt."""
    if column in columns:
        return "; it is null"
    names = ", ".join(shown(name) for name in list(columns)[:_MAX_SHOWN_COLUMNS])
    return f"; the row has {names or 'no columns'}"


def _wrong(column: str, wanted: str, value: object) -> _ColumnError:
    # What a long value or a container holds would only hide the message.
    detail = f" ({shown(value)})" if isinstance(value, str | int | float) else ""
    return _ColumnError(f"{column} must be {wanted}, is {json_name(value)}{detail}")


def _read_id(value: object) -> RowId | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong("id", "a string or an integer", value)
    if isinstance(value, int):
        if value not in _INT64_RANGE:
            raise _ColumnError("id must be an integer of at most 64 bits, or a string")
        return value
    if not 1 <= len(value) <= MAX_ID_CHARS:
        raise _ColumnError(f"id must have 1 to {MAX_ID_CHARS} characters, has {len(value)}")
    _check_text("id", value)
    return value


def _read_text(column: str, value: object) -> str:
    if value is None:
        raise _missing(column)
    if not isinstance(value, str):
        raise _wrong(column, "a string", value)
    _check_text(column, value)
    return value


def _read_list(column: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _wrong(column, "a list of strings", value)
    for index, entry in enumerate(value):
        name = f"{column}[{index}]"
        if not isinstance(entry, str):
            raise _wrong(name, "a string", entry)
        _check_text(name, entry)
    return tuple(value)


def _check_text(column: str, text: str) -> None:
    """Refuses what is no Unicode text, or what other programs would cut short."""
    nul = text.find("\0")
    if nul >= 0:
        raise _ColumnError(
            f"{column} must hold no NUL character, has one after {nul} others; remove it"
        )
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = f"U+{ord(text[error.start]):04X}"
        raise _ColumnError(
            f"{column} must be Unicode text, has half of a surrogate pair ({code}) after "
            f"{error.start} characters; write the whole pair, or U+FFFD"
        ) from error
