"""The data of a report's viewer: an index, chunks of questions with their answers, and pictures.

What the page asks for by name, each a JSON document in a script (:mod:`.packing`):

- ``index``: columns of what can be searched and filtered (:func:`.index.index_content`);
- ``chunk/K``: a list of questions in one setting each, with all their answers. Texts are lists of
  spans ``[text, kind, entity]`` which make the whole text when put together; the kind is 0 for
  plain text, 1 for an entity that is found and 2 for a part of one that is not. ``found`` says of
  each entity whether it is missed (0), found in part (1) or found (2). ``tokens`` of an entity is
  how many it has. ``image`` is the place of a thumbnail or null; an answer has its own where it was
  shown another picture, or none;
- ``pictures/K``: a list of data URLs. An ``image`` is ``[K, place in the list]``.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.sweep.report.evidence import Evidence
from services.sweep.report.references import References
from services.sweep.report.viewer.choice import Choice, choose_answers
from services.sweep.report.viewer.index import (
    ChunkOfQuestions,
    ShownScores,
    index_content,
    shown_scores,
)
from services.sweep.report.viewer.packing import (
    DataScript,
    PicturePlace,
    ShownAnswer,
    ShownQuestion,
    data_script,
)
from services.sweep.report.viewer.packing_processes import chunk_scripts
from services.sweep.report.viewer.pictures import PictureCount, ShownPicture, thumbnails
from services.sweep.report.viewer.plan_texts import PlanTexts
from services.sweep.report.viewer.stored_answers import (
    StoredAnswer,
    StoredAnswers,
    failure_messages,
    provenance_of,
)
from services.sweep.spec.controls import Control

DEFAULT_ANSWERS = 50_000

_QUESTIONS_A_CHUNK = 64
# Many contenders or replicates: what the page loads for one question stays small.
_ANSWERS_A_CHUNK = 1024
# Of thumbnails before they are packed.
_PICTURE_BYTES_A_FILE = 2**20


@dataclass(frozen=True, slots=True)
class ViewerOptions:
    """What the viewer is to show.

    Attributes:
        most_answers: Answers to show at most; with more there is a sample of whole questions.
        seed: Draws the sample.
        with_pictures: Whether to show thumbnails.
    """

    most_answers: int = DEFAULT_ANSWERS
    seed: int = 0
    with_pictures: bool = True


class ViewerData:
    """What the viewer shows of the results, to be packed into scripts.

    Args:
        evidence: The results.
        references: The dataset; none where it is not at hand. Then there are neither references,
            entities nor pictures.
        options: What to show.

    Attributes:
        shown: How many answers are shown.
        total: How many there are.
    """

    def __init__(
        self,
        evidence: Evidence,
        references: References | None,
        options: ViewerOptions | None = None,
    ) -> None:
        options = options or ViewerOptions()
        self._evidence = evidence
        self._references = references
        self._with_pictures = options.with_pictures and references is not None
        self._choice: Choice = choose_answers(evidence, options.most_answers, options.seed)
        self._pictures = PictureCount()
        self.shown = len(self._choice.rows)
        self.total = self._choice.total

    @property
    def note(self) -> str:
        """What is left out, in sentences; complete once all the scripts are written."""
        sample = (
            "The answers shown are all those to a random sample of questions, a tenth of them to "
            "questions with failed answers as far as there are any."
        )
        return " ".join(filter(None, [sample * self._choice.is_sample, self._pictures.note]))

    def scripts(self) -> Iterator[DataScript]:
        """Writes the scripts one by one; the index comes last.

        Raises:
            UserInputError: A table cannot be read.
            ExpArtError: A worker process cannot be started, or ended.
        """
        rows = self._choice.rows
        chunks = _chunks_of(self._evidence.question[rows].tolist())
        scores = shown_scores(self._evidence, rows)
        places: dict[str, PicturePlace] = {}
        if self._with_pictures:
            yield from self._picture_scripts(places)
        contents = _Contents(self._evidence, self._references, self._choice, scores, places)
        yield from chunk_scripts(
            map(contents.of, chunks), self._evidence.scoring, answers=self.shown
        )
        content = index_content(self._evidence, self._choice, scores, chunks, self.note)
        yield data_script("index", content)

    def _picture_scripts(self, places: dict[str, PicturePlace]) -> Iterator[DataScript]:
        """Packs the thumbnails, and notes the place of each by its digest."""
        assert self._references is not None
        made = thumbnails(
            _distinct_pictures(self._evidence, self._choice),
            self._references.pictures,
            self._pictures,
        )
        number = size = 0
        urls: list[str] = []
        for digest, picture in made:
            places[digest] = (number, len(urls))
            urls.append(f"data:image/webp;base64,{base64.b64encode(picture).decode()}")
            size += len(picture)
            if size >= _PICTURE_BYTES_A_FILE:
                yield data_script(f"pictures/{number}", urls)
                number, size, urls = number + 1, 0, []
        if urls:
            yield data_script(f"pictures/{number}", urls)


def _distinct_pictures(evidence: Evidence, choice: Choice) -> Iterator[ShownPicture]:
    digests, images = PlanTexts(evidence, "image_digest"), PlanTexts(evidence, "image")
    known: set[str] = set()
    for row in choice.rows.tolist():
        digest = digests.text(row)
        if digest and digest not in known:
            known.add(digest)
            yield ShownPicture(images.text(row), digest)


def _chunks_of(questions: Sequence[int]) -> list[ChunkOfQuestions]:
    """Puts questions together, each given as often as it has answers."""
    changes = np.flatnonzero(np.diff(np.array(questions, np.int64))) + 1
    begins = [0, *changes.tolist()] if questions else []
    chunks: list[ChunkOfQuestions] = []
    chosen: list[int] = []
    bounds: list[int] = []
    for begin, end in zip(begins, [*begins[1:], len(questions)], strict=False):
        chosen.append(questions[begin])
        bounds.append(begin)
        if len(chosen) == _QUESTIONS_A_CHUNK or end - bounds[0] >= _ANSWERS_A_CHUNK:
            chunks.append(ChunkOfQuestions(tuple(chosen), (*bounds, end)))
            chosen, bounds = [], []
    if chosen:
        chunks.append(ChunkOfQuestions(tuple(chosen), (*bounds, len(questions))))
    return chunks


class _Contents:
    """Puts together what chunks hold."""

    def __init__(
        self,
        evidence: Evidence,
        references: References | None,
        choice: Choice,
        scores: ShownScores,
        pictures: dict[str, PicturePlace],
    ) -> None:
        self._evidence = evidence
        self._references = references
        self._rows = choice.rows
        self._scores = scores
        self._pictures = pictures
        self._answers = StoredAnswers(evidence, choice.rows)
        self._failures = failure_messages(evidence, choice.rows)
        self._digests = PlanTexts(evidence, "image_digest")
        self._provenance = [provenance_of(contender) for contender in evidence.contenders]
        self._is_control = [
            contender.control is not Control.NONE for contender in evidence.contenders
        ]

    def of(self, chunk: ChunkOfQuestions) -> list[ShownQuestion]:
        """The questions of a chunk with their answers."""
        first = chunk.bounds[0]
        stored = self._answers.between(first, chunk.bounds[-1])
        return [
            self._question(question, begin, stored[begin - first : end - first])
            for question, begin, end in zip(
                chunk.questions, chunk.bounds, chunk.bounds[1:], strict=False
            )
        ]

    def _question(
        self, number: int, begin: int, stored: Sequence[StoredAnswer | None]
    ) -> ShownQuestion:
        known = None if self._references is None else self._references.questions[number]
        sent = next((answer.instruction for answer in stored if answer is not None), "")
        instruction = sent if known is None else known.instruction
        return ShownQuestion(
            instruction=instruction,
            reference="" if known is None else known.reference,
            entities=() if known is None else known.entities,
            picture=self._own_picture(self._rows[begin : begin + len(stored)].tolist()),
            answers=tuple(
                self._answer(begin + offset, answer, instruction)
                for offset, answer in enumerate(stored)
            ),
        )

    def _answer(self, place: int, stored: StoredAnswer | None, instruction: str) -> ShownAnswer:
        row = int(self._rows[place])
        contender = int(self._evidence.contender[row])
        provenance = dict(self._provenance[contender])
        if stored is not None:
            provenance |= stored.provenance
            if stored.instruction != instruction:
                provenance["Asked as"] = stored.instruction
        provenance["Key"] = self._evidence.key(row)
        return ShownAnswer(
            contender=contender,
            replicate=int(self._evidence.replicate[row]),
            text=None if stored is None else stored.text,
            failure=self._failures.get(row),
            metrics=self._scores.of(place),
            provenance={name: text for name, text in provenance.items() if text},
            picture=self._pictures.get(self._digests.text(row)),
        )

    def _own_picture(self, rows: Iterable[int]) -> PicturePlace | None:
        """The picture of the artwork itself, as far as one of these rows was shown it."""
        own = (
            self._digests.text(row)
            for row in rows
            if not self._is_control[self._evidence.contender[row]]
        )
        return next((place for digest in own if (place := self._pictures.get(digest))), None)
