"""Looks at a file of records: its fields, and a first guess at the mapping that reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import yaml

from services.benchmark.loader import read_records
from services.benchmark.mapping import FieldMapping, built_in_mappings
from services.benchmark.reading import FaultError, MisfitError, Record, read_questions
from services.benchmark.records import Split
from services.core.errors import UserInputError
from services.dataset.guess import FILL_IN, guess_mapping

_MAX_RECORDS = 1000
_MAX_EXAMPLE_CHARS = 70


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file looks like.

    Attributes:
        text: A mapping as YAML, with the fields described in comments above it.
        is_complete: Whether the mapping names every field that is needed.
        fitting: How many of the records looked at it reads.
        records: Records looked at.
    """

    text: str
    is_complete: bool
    fitting: int
    records: int


def inspect_file(file: Path) -> Inspection:
    """Describes the first records of a file, and guesses a mapping.

    Raises:
        UserInputError: It cannot be read, or holds no record, or something else.
    """
    records = list(islice(read_records(file), _MAX_RECORDS))
    if not records:
        raise UserInputError(f"{file}: it holds no record")
    lines = [f"# {file.name}: the first {len(records)} records"]
    names = dict.fromkeys(str(name) for record in records for name in record)
    lines.extend(_describe(name, records) for name in names)
    declared: Mapping[str, object] | None = None
    fitting = 0
    for mapping in built_in_mappings():
        count = _fitting(records, mapping)
        if count > fitting:
            fitting = count
            declared = mapping.model_dump(mode="json", exclude_none=True)
    if declared is not None and fitting == len(records):
        lines.append(f"# the built-in mapping '{declared['name']}' reads them; no file is needed")
    else:
        declared = guess_mapping(records)
        fitting = 0
        if FILL_IN not in str(declared):
            fitting = _fitting(records, FieldMapping.model_validate(declared))
        lines.append(f"# a first guess, which reads {fitting} of {len(records)} records; check it")
    complete = FILL_IN not in str(declared)
    if not complete:
        lines.append(f"# put a field's name wherever it says {FILL_IN}")
    body = yaml.safe_dump(dict(declared), sort_keys=False, allow_unicode=True)
    return Inspection("\n".join(lines) + "\n" + body, complete, fitting, len(records))


def _fitting(records: Sequence[Record], mapping: FieldMapping) -> int:
    count = 0
    for record in records:
        try:
            read_questions(record, mapping, Split.TEST_SEEN)
        except (MisfitError, FaultError):
            continue
        count += 1
    return count


def _describe(name: str, records: Sequence[Record]) -> str:
    values = [record[name] for record in records if record.get(name) is not None]
    kinds = ", ".join(dict.fromkeys(type(value).__name__ for value in values)) or "null"
    shown = " ".join(repr(values[0]).split()) if values else ""
    if len(shown) > _MAX_EXAMPLE_CHARS:
        shown = shown[:_MAX_EXAMPLE_CHARS] + "…"
    # No line's end of an example may end the comment.
    shown = "".join(character for character in shown if character.isprintable())
    field = "".join(character for character in name if character.isprintable())
    return f"#   {field}: {kinds}, in {len(values)} records, such as {shown}"
