"""Checks every record of a dataset and counts what is in it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from services.benchmark.loader import (
    BadEntry,
    choose_mapping,
    read_entries,
    read_record,
)
from services.benchmark.mapping import FieldMapping
from services.benchmark.reading import Record
from services.benchmark.records import Question, Setting, Split
from services.core.errors import UserInputError


@dataclass(slots=True)
class SplitCounts:
    """What one file holds.

    Attributes:
        records: Records, those with a fault left out.
        questions: Questions by setting.
        artworks: Names of the artworks.
        without_entities: Questions that no entity metric can score.
    """

    records: int = 0
    questions: Counter[Setting] = field(default_factory=Counter)
    artworks: set[str] = field(default_factory=set)
    without_entities: int = 0


class Fault(NamedTuple):
    """What is wrong with a record.

    Attributes:
        file: Name of the file.
        record: The record's number in it, from 1.
        reason: One line.
    """

    file: str
    record: int
    reason: str

    def __str__(self) -> str:
        """Says it for people."""
        return f"{self.file}: record {self.record}: {self.reason}"


@dataclass(slots=True)
class Validation:
    """What came of checking a dataset.

    Attributes:
        mapping: The field mapping; None if there is no record that one fits.
        splits: Counts by split.
        images: What the records call their pictures, each once, in order.
        faults: What is wrong, by split and in the order of the records.
        names: Split and name of every question.
    """

    mapping: FieldMapping | None = None
    splits: dict[Split, SplitCounts] = field(default_factory=dict)
    images: dict[str, None] = field(default_factory=dict)
    faults: dict[Split, list[Fault]] = field(default_factory=dict)
    names: set[tuple[Split, str]] = field(default_factory=set)

    @property
    def all_faults(self) -> list[Fault]:
        """The faults of all files."""
        return [fault for faults in self.faults.values() for fault in faults]


def validate(files: Mapping[Split, Path], mapping: FieldMapping | None) -> Validation:
    """Checks every record, by a mapping or else by the first built-in one that fits.

    Raises:
        UserInputError: A file cannot be read, or no built-in mapping fits any record.
    """
    result = Validation(mapping=mapping)
    # Records before the first one that a mapping fits, and why none fits the first of them.
    waiting: list[_Entry] = []
    misfit: UserInputError | None = None
    for split, file in files.items():
        result.splits[split] = SplitCounts()
        result.faults[split] = []
        for number, content in enumerate(read_entries(file), start=1):
            entry = _Entry(split, file.name, number, content)
            if result.mapping is None:
                waiting.append(entry)
                try:
                    result.mapping = _fitting_mapping(entry)
                except UserInputError as error:
                    misfit = misfit or error
                if result.mapping is None:
                    continue
            for found in waiting or [entry]:
                _check(found, result.mapping, result)
            waiting.clear()
    if misfit is not None and result.mapping is None:
        raise misfit
    return result


class _Entry(NamedTuple):
    split: Split
    file: str
    number: int
    content: Record | BadEntry

    @property
    def place(self) -> str:
        return f"{self.file}: record {self.number}"


def _fitting_mapping(entry: _Entry) -> FieldMapping:
    if isinstance(entry.content, BadEntry):
        raise UserInputError(f"{entry.place} {entry.content.fault}")
    return choose_mapping(entry.content, entry.split, entry.place)


def _check(entry: _Entry, mapping: FieldMapping, result: Validation) -> None:
    """Counts a record, or notes what is wrong with it."""
    try:
        questions = _questions(entry, mapping, result.names)
    except UserInputError as error:
        reason = error.message.removeprefix(entry.place).lstrip(": ")
        result.faults[entry.split].append(Fault(entry.file, entry.number, reason))
        return
    counts = result.splits[entry.split]
    counts.records += 1
    for question in questions:
        result.names.add((question.split, question.name))
        counts.questions[question.setting] += 1
        counts.artworks.add(question.artwork)
        counts.without_entities += not question.entities
        result.images[question.image] = None


def _questions(
    entry: _Entry, mapping: FieldMapping, known: set[tuple[Split, str]]
) -> tuple[Question, ...]:
    if isinstance(entry.content, BadEntry):
        raise UserInputError(f"{entry.place} {entry.content.fault}")
    questions = read_record(entry.content, mapping, entry.split, entry.place)
    for question in questions:
        if (question.split, question.name) in known:
            raise UserInputError(
                f"{entry.place}: id '{question.id}' is there twice in {question.setting.value}"
            )
    return questions
