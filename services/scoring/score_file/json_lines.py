"""Reads rows from JSON Lines: one JSON object a line, in UTF-8."""

import errno
import gzip
import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from services.core.errors import UserInputError
from services.scoring.score_file.guesses import other_encoding, other_format
from services.scoring.score_file.lines import split_lines
from services.scoring.score_file.row import BrokenRow, FileRow, RowReader, json_name

MAX_LINE_BYTES = 16 * 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class JsonLinesSource:
    """Rows of a file of JSON Lines; blank lines are counted and passed over.

    Args:
        name: What messages call the file.
        file: The file as it lies on the disk; closed at the end.
        read: Gives at most so many of the file's next bytes, uncompressed.
        size_bytes: Size of ``file``, if it has one.
        wants_candidate_entities: Whether every row must list the candidate's own entities.

    Attributes:
        name: What messages call the file.
        unit: ``line``.
    """

    unit = "line"

    def __init__(
        self,
        name: str,
        file: io.RawIOBase,
        read: Callable[[int], bytes],
        *,
        size_bytes: int | None,
        wants_candidate_entities: bool,
    ) -> None:
        self.name = name
        self._file = file
        self._read = read
        self._size_bytes = size_bytes
        self._reader = RowReader(wants_candidate_entities=wants_candidate_entities)

    @classmethod
    def standard_input(cls, *, wants_candidate_entities: bool) -> "JsonLinesSource":
        """Reads the lines that come on standard input.

        Raises:
            OSError: It is closed.
        """
        if sys.__stdin__ is None:
            # Its number may belong to another file by now.
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        file = io.FileIO(sys.__stdin__.fileno(), closefd=False)
        return cls(
            "standard input",
            file,
            file.read,
            size_bytes=None,
            wants_candidate_entities=wants_candidate_entities,
        )

    @classmethod
    def open(
        cls, path: Path, compression: str, *, wants_candidate_entities: bool
    ) -> "JsonLinesSource":
        """Opens a file.

        Args:
            path: The file.
            compression: ``.gz``, ``.zst``, or empty for none.
            wants_candidate_entities: Whether every row must list the candidate's own entities.

        Raises:
            OSError: It cannot be opened.
        """
        file = io.FileIO(path)
        status = os.fstat(file.fileno())
        read: Callable[[int], bytes] = file.read
        if compression == ".gz":
            read = gzip.GzipFile(fileobj=io.BufferedReader(file)).read
        elif compression == ".zst":
            read = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd").read
        return cls(
            str(path),
            file,
            read,
            size_bytes=status.st_size or None,
            wants_candidate_entities=wants_candidate_entities,
        )

    def batches(self) -> Iterator[list[FileRow | BrokenRow]]:
        """Yields the rows, some at a time.

        Raises:
            UserInputError: The file cannot be read any further.
        """
        number = 0
        try:
            for lines in split_lines(self._read, MAX_LINE_BYTES):
                rows = []
                for line in map(_without_mark, lines):
                    number += 1
                    if line is None or (line and not line.isspace()):
                        rows.append(self._row(number, line))
                if rows:
                    yield rows
        except (EOFError, OSError, zlib.error, pa.ArrowInvalid) as error:
            raise UserInputError(f"{self.name}: {_unreadable(error, number)}") from error

    def fraction(self) -> float | None:
        """Says how much of the file has been read, 0-1; None where its size is unknown."""
        if self._size_bytes is None or self._file.closed:
            return None
        return min(1.0, self._file.tell() / self._size_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _row(self, number: int, line: bytes | None) -> FileRow | BrokenRow:
        if line is None:
            problem = f"must have at most {MAX_LINE_BYTES} bytes, has more"
            return BrokenRow(number, None, problem)
        try:
            columns: object = json.loads(line.decode())
        except UnicodeDecodeError as error:
            byte = line[error.start]
            problem = f"must be UTF-8, has the byte 0x{byte:02X} after {error.start} bytes"
            return BrokenRow(number, None, problem + other_encoding(line))
        except json.JSONDecodeError as error:
            problem = f"must be a JSON object: {error.msg} (column {error.colno})"
            return BrokenRow(number, None, problem + other_format(line))
        except (ValueError, RecursionError) as error:  # too many digits, too many brackets
            return BrokenRow(number, None, f"must be a JSON object: {error}")
        if not isinstance(columns, dict):
            hint = "; write each of its objects on a line" if isinstance(columns, list) else ""
            problem = f"must be a JSON object, is {json_name(columns)}{hint}"
            return BrokenRow(number, None, problem)
        return self._reader.read(number, columns)


def _without_mark(line: bytes | None) -> bytes | None:
    # At the start of the file, and wherever files were joined.
    return line and line.removeprefix(_BYTE_ORDER_MARK)


def _unreadable(error: Exception, number: int) -> str:
    """Says why a file cannot be read on after so many lines."""
    if isinstance(error, EOFError):
        # How many lines were in what could still be uncompressed says nothing about the file.
        return "is cut short: its compressed data ends before its end is marked"
    if isinstance(error, gzip.BadGzipFile) and not number:
        return (
            "is not, or not only, gzip's data; drop .gz from the name of a file that is not "
            "compressed"
        )
    return f"cannot be read any further after line {number}: {error}"
