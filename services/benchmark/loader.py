"""Reads the benchmark's files from a folder and checks every record."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from services.benchmark.mapping import FieldMapping, built_in_mappings, load_mapping
from services.benchmark.prepared import MAPPING_FILE
from services.benchmark.reading import FaultError, MisfitError, Record, read_questions
from services.benchmark.records import Dataset, Question, Split
from services.core.digests import digest_of_files
from services.core.errors import UserInputError

# In the order in which they are looked for; ``.json`` may hold one list or one object a line.
SUFFIXES = (".json", ".jsonl", ".parquet")

# Real records have about ten fields; more would drown the message.
_MAX_FIELDS_SHOWN = 30


def load_dataset(
    folder: Path, splits: Sequence[Split], mapping: FieldMapping | None = None
) -> Dataset:
    """Loads splits of a dataset.

    Args:
        folder: Holds a file for each split, named by it: ``test_seen.json`` and so on, as one
            JSON list, JSON lines or parquet.
        splits: The splits wanted.
        mapping: How to read a record; without it the folder's own ``mapping.yaml``, and without
            that the built-in mappings are tried in order on the first record, and the first that
            fits is held to for all.

    Raises:
        UserInputError: A file is missing or cannot be read, a record does not fit the mapping or
            is faulty, or two records are the same question.
    """
    files = {split: dataset_file(folder, split) for split in splits}
    mapping = mapping or folder_mapping(folder)
    questions: list[Question] = []
    for split, file in files.items():
        for number, record in enumerate(read_records(file), start=1):
            if mapping is None:
                mapping = choose_mapping(record, split, f"{file}: record {number}")
            questions.extend(read_record(record, mapping, split, f"{file}: record {number}"))
    if mapping is None:
        names = ", ".join(str(file) for file in files.values())
        raise UserInputError(f"the dataset has no record at all in {names}")
    _check_distinct(questions, folder)
    return Dataset(
        folder=str(folder),
        mapping=mapping.name,
        digest=digest_of_files(list(files.values()), folder),
        questions=tuple(questions),
    )


def folder_mapping(folder: Path) -> FieldMapping | None:
    """Reads the mapping that a prepared folder brings along, if any.

    Raises:
        UserInputError: It is no complete mapping.
    """
    file = folder / MAPPING_FILE
    return load_mapping(file) if file.is_file() else None


def dataset_file(folder: Path, split: Split) -> Path:
    """Finds the file of a split.

    Raises:
        UserInputError: There is none.
    """
    if folder.is_file():
        raise UserInputError(f"{folder}: this is a file; name the folder that holds it")
    if not folder.is_dir():
        raise UserInputError(
            f"{folder}: there is no such dataset folder; expart dataset prepare makes one"
        )
    for suffix in SUFFIXES:
        file = folder / (split.value + suffix)
        if file.is_file():
            return file
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    found = ", ".join(names[:_MAX_FIELDS_SHOWN])
    wanted = " or ".join(split.value + suffix for suffix in SUFFIXES)
    raise UserInputError(f"{folder}: dataset file {wanted} is missing; found: {found or 'nothing'}")


class BadEntry(NamedTuple):
    """Stands where a file holds something that is no record.

    Attributes:
        fault: What it is instead.
    """

    fault: str


def read_records(file: Path) -> Iterator[Record]:
    """Reads the records of a file.

    Raises:
        UserInputError: The file cannot be read, or holds something that is no record.
    """
    for number, entry in enumerate(read_entries(file), start=1):
        if isinstance(entry, BadEntry):
            raise UserInputError(f"{file}: record {number} {entry.fault}")
        yield entry


def read_entries(file: Path) -> Iterator[Record | BadEntry]:
    """Reads the records of a file, and notes what is none.

    Raises:
        UserInputError: The file cannot be read.
    """
    entries = _parquet(file) if file.suffix == ".parquet" else _json(file)
    for entry in entries:
        if isinstance(entry, dict):
            yield cast("Record", entry)
        elif isinstance(entry, BadEntry):
            yield entry
        else:
            yield BadEntry(f"is no object but {_shown(entry)}")


def _json(file: Path) -> Iterator[object]:
    text = read_text(file)
    if is_json_list(text):
        try:
            yield from json.loads(text)
        except json.JSONDecodeError as error:
            raise UserInputError(f"{file}: no JSON: {error}") from error
        except RecursionError as error:
            raise UserInputError(f"{file}: no records: it is nested too deeply") from error
        return
    is_first = True
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            if is_first:  # it is something else altogether
                raise UserInputError(f"{file}: {_no_records(text, number, error)}") from error
            yield BadEntry(f"in line {number} is no JSON: {error}")
        is_first = False


def read_text(file: Path) -> str:
    """Reads a file of UTF-8 text, with or without a byte order mark.

    Raises:
        UserInputError: It cannot be read, or is something else.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserInputError(f"{file}: cannot be read: it is no UTF-8 text") from error
    except OSError as error:
        raise UserInputError(f"{file}: cannot be read: {error.strerror or error}") from error


def _no_records(text: str, line: int, error: Exception) -> str:
    """Says what a file is that is neither a JSON list nor one object a line."""
    try:
        whole = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return f"line {line} is no JSON, and the file is no JSON list: {error}"
    keys = f" with {_fields(whole)}" if isinstance(whole, dict) else ""
    return f"it is one JSON object{keys}; records must be a JSON list, or one object a line"


def is_json_list(text: str) -> bool:
    """Whether a JSON file holds one list, and not one object a line."""
    return text.lstrip().startswith("[")


def _parquet(file: Path) -> Iterator[object]:
    # Imported when needed: JSON datasets do without this heavy library.
    from pyarrow import ArrowInvalid, parquet  # noqa: PLC0415

    try:
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches():
                yield from batch.to_pylist()
    except (OSError, ArrowInvalid) as error:
        raise UserInputError(f"{file}: no parquet file: {error}") from error


def choose_mapping(record: Record, split: Split, place: str) -> FieldMapping:
    """Picks the first built-in mapping that fits a record.

    Raises:
        UserInputError: None does; the message names the fields found and wanted.
    """
    misfits = []
    for mapping in built_in_mappings():
        try:
            read_questions(record, mapping, split)
        except MisfitError as misfit:
            misfits.append(f"for '{mapping.name}' {misfit}")
        except FaultError:
            return mapping  # the right shape; the reader then says what is wrong with the value
        else:
            return mapping
    raise UserInputError(
        f"{place} fits no built-in field mapping; fields found: {_fields(record)}; "
        f"{'; '.join(misfits)}; expart dataset inspect prints a mapping to begin with, which "
        "prepare takes as --mapping and a sweep as dataset.mapping"
    )


def read_record(
    record: Record, mapping: FieldMapping, split: Split, place: str
) -> tuple[Question, ...]:
    """Reads a record's questions.

    Raises:
        UserInputError: It does not fit the mapping, or is faulty; the message begins with place.
    """
    try:
        return read_questions(record, mapping, split)
    except MisfitError as misfit:
        wanted = ", ".join(" or ".join(group) for group in mapping.wanted())
        raise UserInputError(
            f"{place} does not fit the field mapping '{mapping.name}': {misfit}; "
            f"fields found: {_fields(record)}; fields wanted: {wanted}"
        ) from misfit
    except FaultError as fault:
        raise UserInputError(f"{place}: {fault} (field mapping '{mapping.name}')") from fault


def _check_distinct(questions: list[Question], folder: Path) -> None:
    seen: set[str] = set()
    for question in questions:
        if question.name in seen:
            raise UserInputError(
                f"{folder}: two records of {question.split.value} have id '{question.id}' and "
                f"setting {question.setting.value}"
            )
        seen.add(question.name)


def _fields(record: Record) -> str:
    names = [str(name) for name in record]
    more = f" and {len(names) - _MAX_FIELDS_SHOWN} more" if len(names) > _MAX_FIELDS_SHOWN else ""
    return (", ".join(names[:_MAX_FIELDS_SHOWN]) or "none") + more


def _shown(entry: object) -> str:
    return "a list" if isinstance(entry, list) else f"a value of type {type(entry).__name__}"
