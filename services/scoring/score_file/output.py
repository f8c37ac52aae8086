"""The file of scores: it appears under its name when it is complete, and else not at all."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from services.core.errors import UserInputError
from services.scoring.score_file.output_json_lines import JsonLinesWriter
from services.scoring.score_file.output_parquet import ParquetWriter
from services.scoring.score_file.placing import check_free, place
from services.scoring.score_file.row_scorer import ScoredMetric, ScoreFileError
from services.scoring.score_file.score_columns import ScoredRow

_PARQUET_SUFFIX = ".parquet"
_JSON_LINES_SUFFIXES = (".jsonl", ".ndjson")


class ScoreWriter(Protocol):
    """Writes rows in one of the formats."""

    def add(self, row: ScoredRow) -> None:
        """Writes a row."""
        ...

    def finish(self, summary: Mapping[str, object]) -> None:
        """Completes the file, with the summary where there is a place for it."""
        ...

    def close(self) -> None:
        """Closes the file as it is."""
        ...


class ScoreOutput:
    """A file of scores while it is written, under another name; a context manager.

    JSON Lines have no place for the summary: it goes beside them, into ``NAME.summary.json``.

    Args:
        path: Where the file is to appear; its suffix says in which format.
        overwrite: Whether it may replace a file.

    Raises:
        UserInputError: The suffix is of no known format, the folder is not there, or the name is
            taken by a file that may not be replaced, or by no file.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        suffix = path.suffix.lower()
        if suffix not in (*_JSON_LINES_SUFFIXES, _PARQUET_SUFFIX):
            known = ", ".join((*_JSON_LINES_SUFFIXES, _PARQUET_SUFFIX))
            raise UserInputError(f"--out {path}: the name must end in one of {known}")
        if not path.parent.is_dir():
            raise UserInputError(f"--out {path}: there is no folder {path.parent}")
        self.path = path
        self.summary_path = None if suffix == _PARQUET_SUFFIX else path.with_suffix(".summary.json")
        self._overwrite = overwrite
        self._scratch = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._writer: ScoreWriter | None = None
        self._check_free()

    def begin(self, metrics: tuple[ScoredMetric, ...], *, with_problems: bool) -> None:
        """Starts the file.

        Args:
            metrics: What the rows are scored by.
            with_problems: Whether there may be skipped rows.

        Raises:
            UserInputError: The folder cannot be written.
        """
        make = JsonLinesWriter if self.summary_path is not None else ParquetWriter
        try:
            self._scratch.touch()
            self._writer = make(self._scratch, metrics, with_problems=with_problems)
        except OSError as error:
            raise UserInputError(
                f"--out {self.path}: cannot be written: {error.strerror}"
            ) from error

    def add(self, row: ScoredRow) -> None:
        """Writes a row.

        Raises:
            ScoreFileError: There is no room on the disk, or the like.
        """
        assert self._writer is not None
        try:
            self._writer.add(row)
        except OSError as error:
            raise self._failure(error) from error

    def finish(self, summary: Mapping[str, object]) -> None:
        """Completes the file and gives it its name.

        Raises:
            UserInputError: A file of that name has appeared in the meantime.
            ScoreFileError: There is no room on the disk, or the like.
        """
        assert self._writer is not None
        self._check_free()
        try:
            self._writer.finish(summary)
            _make_durable(self._scratch)
            self._place_both(summary)
        except OSError as error:
            raise self._failure(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            with suppress(OSError):  # what is not complete is thrown away
                self._writer.close()
        self._scratch.unlink(missing_ok=True)

    def _check_free(self) -> None:
        for path in (self.path, self.summary_path):
            if path is not None:
                check_free(path, overwrite=self._overwrite)

    def _place_both(self, summary: Mapping[str, object]) -> None:
        """Lets the file appear, and before it the summary that lies beside it."""
        if self.summary_path is None:
            place(self._scratch, self.path, overwrite=self._overwrite)
            return
        text = json.dumps(summary, ensure_ascii=False, allow_nan=False, indent=2)
        scratch = self._scratch.with_suffix(".summary")
        try:
            scratch.write_text(text + "\n", encoding="utf-8")
            place(scratch, self.summary_path, overwrite=self._overwrite)
        finally:
            scratch.unlink(missing_ok=True)
        try:
            place(self._scratch, self.path, overwrite=self._overwrite)
        except (UserInputError, OSError):
            if not self._overwrite:  # it is ours, and without its file it means nothing
                self.summary_path.unlink(missing_ok=True)
            raise

    def _failure(self, error: OSError) -> ScoreFileError:
        return ScoreFileError(f"--out {self.path}: cannot be written: {error.strerror or error}")


def _make_durable(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
