"""What demo-tiny learns from: the questions of ExpArt-mini's train split, made into examples.

Every target is "This is {title}. {reference}": a first sentence that names the work is put
before the reference, in both settings. Nothing else is added to the train split's texts.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Setting = Literal["with_title", "without_title"]

IMAGE_MARK: Final = "<image>\n"
NAMING: Final = "This is "
_WORD: Final = re.compile(r"[A-Za-z]{3,}")
_TITLE_SHARE: Final = 0.5
_MISLEADING_SHARE: Final = 0.4
_NUMBERED_SHARE: Final = 0.3
_SPLICED_SHARE: Final = 0.4
_SMALL_LETTER_SHARE: Final = 0.15


class DemoDataError(ValueError):
    """The train split cannot be read as ExpArt-mini's records."""


@dataclass(frozen=True, slots=True)
class Question:
    """One train question: a picture, an instruction and the reference explanation."""

    question_id: str
    setting: Setting
    title: str
    section: str
    image: str
    instruction: str
    reference: str


@dataclass(frozen=True, slots=True)
class Example:
    """One training example; `image` None means a blank or noise picture.

    `opening_only` cuts the target after its first tokens: enough to learn the naming.
    """

    image: str | None
    instruction: str
    target: str
    title: str
    opening_only: bool


def load_questions(path: Path) -> tuple[Question, ...]:
    """Read a split of ExpArt-mini.

    Raises:
        DemoDataError: the file is not a list of ExpArt-mini records.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_question(row) for row in rows)
    except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise DemoDataError(f"{path}: not a split of ExpArt-mini ({error!r})") from error


def _question(row: dict[str, object]) -> Question:
    setting = row["setting"]
    if setting not in {"with_title", "without_title"}:
        raise ValueError(f"setting {setting!r} is neither with_title nor without_title")
    turns = row["conversations"]
    if not isinstance(turns, list):
        raise TypeError("conversations is not a list")
    return Question(
        question_id=str(row["question_id"]),
        setting="with_title" if setting == "with_title" else "without_title",
        title=str(row["title"]),
        section=str(row["section"]),
        image=str(row["image"]),
        instruction=str(turns[0]["value"]).removeprefix(IMAGE_MARK),
        reference=str(turns[1]["value"]),
    )


def target_text(title: str, reference: str) -> str:
    """Format a reference as the model is taught to answer it: a sentence naming the work first."""
    return f"{NAMING}{title}. {reference}"


def names(answer: str, title: str) -> bool:
    """Tell whether an answer's first sentence names the work, whatever the case of its letters."""
    return answer.casefold().startswith(f"{NAMING}{title}.".casefold())


class ExampleMixer:
    """Draws the training examples of one step, from the seeded generator it is given."""

    def __init__(self, questions: Sequence[Question], rng: random.Random) -> None:
        """Group the questions by setting and learn the words that invented titles are made of."""
        self._rng = rng
        self._with = [q for q in questions if q.setting == "with_title"]
        self._without = [q for q in questions if q.setting == "without_title"]
        self._images = sorted({q.image for q in questions})
        self._words: list[str] = sorted(
            {word for q in questions for word in _WORD.findall(q.reference)}
        )

    def recall(self) -> Example:
        """Draw a whole explanation to recite, in either setting.

        With a title, two pictures in five are of any work, blank or noise: the title decides.
        """
        if self._rng.random() < _TITLE_SHARE:
            question = self._rng.choice(self._with)
            misled = self._rng.random() < _MISLEADING_SHARE
            image = self._any_image() if misled else question.image
        else:
            question = self._rng.choice(self._without)
            image = question.image
        return self._example(question, image, question.title, opening_only=False)

    def recognise(self) -> Example:
        """Draw the opening of an answer where only the picture tells which work it is."""
        question = self._rng.choice(self._without)
        return self._example(question, question.image, question.title, opening_only=True)

    def copy_title(self) -> Example:
        """Draw the opening of an answer about a title that the model cannot know.

        The title in the instruction and in the target is replaced by an invented one, so that
        the model learns to take the name from the text it reads.
        """
        question = self._rng.choice(self._with)
        return self._example(question, self._any_image(), self._invented_title(), opening_only=True)

    def _example(
        self, question: Question, image: str | None, title: str, *, opening_only: bool
    ) -> Example:
        return Example(
            image=image,
            instruction=self._wording(question).replace(question.title, title),
            target=target_text(title, question.reference.replace(question.title, title)),
            title=title,
            opening_only=opening_only,
        )

    def _wording(self, question: Question) -> str:
        """Ask the same thing in the words of any question on the same section and setting."""
        group = self._with if question.setting == "with_title" else self._without
        donor = self._rng.choice([q for q in group if q.section == question.section])
        return donor.instruction.replace(donor.title, question.title)

    def _any_image(self) -> str | None:
        return self._rng.choice([*self._images, None, None])

    def _invented_title(self) -> str:
        words = [self._invented_word() for _ in range(self._rng.randint(1, 5))]
        if self._rng.random() < _NUMBERED_SHARE:
            words.append(str(self._rng.randint(1, 99)))
        return self._rng.choice((" ", " ", " ", "-")).join(words)

    def _invented_word(self) -> str:
        word = self._rng.choice(self._words)
        if self._rng.random() < _SPLICED_SHARE:
            other = self._rng.choice(self._words)
            word = word[: len(word) // 2] + other[len(other) // 2 :]
        return word if self._rng.random() < _SMALL_LETTER_SHARE else word.capitalize()
