"""Packs data for a report's page: scripts that hand it over, as JSON that is gzipped, in base64.

A page that is opened from disk may read no files, but run scripts that lie beside it. Base64 holds
nothing that could end the script's text.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from services.metrics.options import ScoringOptions
from services.sweep.report.viewer.highlights import Highlighter, Mark, Span

Json: TypeAlias = str | int | float | Sequence["Json"] | Mapping[str, "Json"] | None

_LEVEL = 6

# How the page counts what became of an entity.
_FOUND = {Mark.NONE: 0, Mark.PART: 1, Mark.EXACT: 2}

PicturePlace = tuple[int, int]
"""Where a thumbnail is: number of the file of pictures, and its place there."""


@dataclass(frozen=True, slots=True)
class DataScript:
    """A script that hands the page data.

    Attributes:
        name: What the page asks for: ``index``, ``chunk/0``, ``pictures/0`` and so on. Beside the
            page it lies in a file of this name with ``.js``.
        text: The script.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer as the page shows it.

    Attributes:
        contender: Place of its contender.
        replicate: Number of the replicate, from 0.
        text: The explanation; none where there is none.
        failure: Why it failed, for people; none where it did not.
        metrics: For each metric the value as reports show it, or the reason why there is none.
        provenance: How it came about, by what people call it.
        picture: The thumbnail of the picture that was shown, if any.
    """

    contender: int
    replicate: int
    text: str | None
    failure: str | None
    metrics: Mapping[str, float | str]
    provenance: Mapping[str, str]
    picture: PicturePlace | None


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """A question in one setting, and all the answers to it that are shown.

    Attributes:
        instruction: The record's own instruction.
        reference: The reference; empty where the dataset is not at hand.
        entities: The reference's entities.
        picture: The thumbnail of the artwork's own picture, if any.
        answers: The answers.
    """

    instruction: str
    reference: str
    entities: tuple[str, ...]
    picture: PicturePlace | None
    answers: tuple[ShownAnswer, ...]


def data_script(name: str, content: Json) -> DataScript:
    """Writes the script that hands over a content under a name."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    packed = base64.b64encode(gzip.compress(text.encode(), _LEVEL, mtime=0)).decode()
    return DataScript(name, f'expart.add("{name}","{packed}");\n')


def chunk_script(
    number: int, questions: Sequence[ShownQuestion], options: ScoringOptions
) -> DataScript:
    """Marks the entities in the texts of questions, and writes the script that hands them over.

    Args:
        number: Number of the chunk.
        questions: Its questions.
        options: The choices by which answers were scored.
    """
    return data_script(f"chunk/{number}", [_question(one, options) for one in questions])


def _question(question: ShownQuestion, options: ScoringOptions) -> Json:
    highlighter = Highlighter(question.entities, options)
    counts = highlighter.token_counts
    return {
        "instruction": question.instruction,
        "reference": _spans(highlighter.highlight(question.reference).spans),
        "entities": [
            {"text": text, "tokens": count}
            for text, count in zip(highlighter.entities, counts, strict=True)
        ],
        "image": question.picture,
        "answers": [_answer(answer, question, highlighter) for answer in question.answers],
    }


def _answer(answer: ShownAnswer, question: ShownQuestion, highlighter: Highlighter) -> Json:
    shown: dict[str, Json] = {
        "contender": answer.contender,
        "replicate": answer.replicate,
        "spans": [],
        "found": [],
        "failure": answer.failure,
        "metrics": answer.metrics,
        "provenance": answer.provenance,
    }
    if answer.text is not None:
        highlights = highlighter.highlight(answer.text)
        shown["spans"] = _spans(highlights.spans)
        shown["found"] = [_FOUND[mark] for mark in highlights.marks]
    if answer.picture != question.picture:
        shown["image"] = answer.picture
    return shown


def _spans(spans: Sequence[Span]) -> Json:
    return [(span.text, int(span.mark), span.entity) for span in spans]
