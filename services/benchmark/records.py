"""What the benchmark consists of: questions about artworks, asked in two settings."""

from dataclasses import dataclass
from enum import StrEnum


class Setting(StrEnum):
    """Whether the instruction names the artwork's title."""

    WITH_TITLE = "with_title"
    WITHOUT_TITLE = "without_title"


class Part(StrEnum):
    """Whether a test artwork also occurs, with other sections, in training."""

    SEEN = "seen"
    UNSEEN = "unseen"


class Split(StrEnum):
    """The benchmark's four files; the value is the file's name without its suffix."""

    TRAIN = "train"
    DEV = "dev"
    TEST_SEEN = "test_seen"
    TEST_UNSEEN = "test_unseen"

    @property
    def part(self) -> Part | None:
        """The test part that this split is, or none for train and dev."""
        return _PARTS.get(self)


_PARTS = {Split.TEST_SEEN: Part.SEEN, Split.TEST_UNSEEN: Part.UNSEEN}


@dataclass(frozen=True, slots=True)
class Question:
    """One question in one setting.

    Attributes:
        id: The record's own id; unique together with ``split`` and ``setting``.
        question_id: What the two settings of one question share: the record's own, or the digest
            of artwork, section and reference where its shape knows none, or else the id.
        artwork: Names the artwork; its title where a record has nothing better.
        title: The artwork's title.
        section: The topic asked for: a section of the artwork's article. May be empty.
        setting: Whether the instruction names the title.
        split: The file that the question comes from.
        instruction: The words given to the model, without any image marker.
        reference: The reference explanation.
        entities: The reference's terms: distinct, none empty. May be none.
        image: Path of the picture relative to the dataset's folder, or its http(s) URL.
    """

    id: str
    question_id: str
    artwork: str
    title: str
    section: str
    setting: Setting
    split: Split
    instruction: str
    reference: str
    entities: tuple[str, ...]
    image: str

    @property
    def name(self) -> str:
        """Names this question in this setting, once in a dataset."""
        return f"{self.split}/{self.id}/{self.setting}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions read from a folder, in the order of the files.

    Attributes:
        folder: The folder as it was given.
        mapping: Name of the field mapping that fitted.
        digest: ``sha256:…`` over names and contents of the files that were read.
        questions: The questions.
    """

    folder: str
    mapping: str
    digest: str
    questions: tuple[Question, ...]
