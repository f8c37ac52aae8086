"""Checks every record of a dataset and counts what is in it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.benchmark.loader import (
    choose_mapping,
    dataset_file,
    folder_mapping,
    read_record,
    read_records,
)
from services.benchmark.mapping import FieldMapping
from services.benchmark.records import Setting, Split
from services.core.errors import UserInputError


@dataclass(slots=True)
class SplitCounts:
    """What one file holds.

    Attributes:
        records: Records.
        questions: Questions by setting.
        artworks: Names of the artworks.
        without_entities: Questions that no entity metric can score.
    """

    records: int = 0
    questions: Counter[Setting] = field(default_factory=Counter)
    artworks: set[str] = field(default_factory=set)
    without_entities: int = 0


@dataclass(slots=True)
class Validation:
    """What came of checking a dataset.

    Attributes:
        mapping: The field mapping; None if there is no record.
        splits: Counts by split.
        images: What the records call their pictures, each once, in order.
        faults: What is wrong, a line each with file and record.
    """

    mapping: FieldMapping | None = None
    splits: dict[Split, SplitCounts] = field(default_factory=dict)
    images: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def validate(folder: Path, splits: Sequence[Split]) -> Validation:
    """Checks every record, by the folder's own mapping or by the built-in one that fits.

    Raises:
        UserInputError: A file is missing or no list of records, or no built-in mapping fits.
    """
    result = Validation(mapping=folder_mapping(folder))
    for split in splits:
        file = dataset_file(folder, split)
        counts = result.splits[split] = SplitCounts()
        seen: set[str] = set()
        for number, record in enumerate(read_records(file), start=1):
            place = f"{file.name}: record {number}"
            if result.mapping is None:
                result.mapping = choose_mapping(record, split, place)
            counts.records += 1
            try:
                questions = read_record(record, result.mapping, split, place)
            except UserInputError as error:
                result.faults.append(error.message)
                continue
            for question in questions:
                if question.name in seen:
                    result.faults.append(
                        f"{place}: id '{question.id}' is there twice in {question.setting.value}"
                    )
                seen.add(question.name)
                counts.questions[question.setting] += 1
                counts.artworks.add(question.artwork)
                counts.without_entities += not question.entities
                result.images[question.image] = None
    return result
