"""Which entities the contenders name, and which they miss: counted in the texts of their answers.

Entities occur as the metrics find them (:mod:`services.metrics.matching`), by the options that the
stored scores were computed with; those that matching cannot tell apart are one. An entity is asked
for by each answer to a question whose reference has it among its entities.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.benchmark.records import Question
from services.metrics.matching import fold_case, normalise_entity, normalise_typography
from services.metrics.occurrences import SearchableText
from services.metrics.options import ScoringOptions
from services.sweep.report.evidence import Evidence
from services.sweep.report.knowledge.model import EntityKnowledge, EntityStanding
from services.sweep.results.stored_columns import Indices

# Files list the entities that are asked for most, charts a few of them.
_LISTED = 1000
_SHOWN = 25
# An entity that was asked for once or twice is not known because it was named then.
_LEAST_ASKED = 5
# Upper ends of the shares that are counted together; never and always stand alone.
_SHARES = (0.0, 0.25, 0.5, 0.75)

# Most entities do not occur, which Python says at once of texts as short as most are.
_PLAIN_CHARS = 8_000

_Counts = npt.NDArray[np.int64]


def entity_knowledge(evidence: Evidence, questions: Sequence[Question | None]) -> EntityKnowledge:
    """Counts the entities in all stored answers, a bounded number of texts at a time.

    Args:
        evidence: The answers.
        questions: For each question of the evidence what the dataset says of it; answers to those
            that it does not know are left out.

    Raises:
        UserInputError: A table cannot be read.
    """
    options = evidence.scoring
    asked = _AskedEntities(questions, options)
    tally = _Tally(len(evidence.contenders), len(asked.spellings))
    for rows, batch in evidence.answers(["text"]):
        numbers = evidence.question[rows]
        counts = count_occurrences(
            batch.column("text").to_pylist(), [asked.forms[n] for n in numbers.tolist()], options
        )
        tally.add(evidence.contender[rows], asked.flat(numbers), asked, counts)
    return tally.result(asked.spellings)


def count_occurrences(
    texts: Iterable[str], forms: Iterable[Sequence[str]], options: ScoringOptions
) -> _Counts:
    """How often entities occur in texts, as the entity metrics count them.

    Args:
        texts: The texts as they are.
        forms: For each text the entities to look for, in the form that matching compares.
        options: How they are looked for.

    Returns:
        One number for each entity of each text, text by text.
    """
    boundary = options.boundary
    found: list[int] = []
    for text, entities in zip(texts, forms, strict=True):
        # In which sentences they occur does not matter, so that none need be found.
        normal = normalise_typography(text)
        searchable = SearchableText(normal, [(0, len(normal))], options.case)
        plain = searchable.text if len(normal) < _PLAIN_CHARS else None
        found.extend(
            [
                len(searchable.occurrences(entity, boundary))
                if plain is None or entity in plain
                else 0
                for entity in entities
            ]
        )
    return np.array(found, np.int64)


class _AskedEntities:
    """The entities of the questions, numbered.

    Args:
        questions: The questions by their numbers; none where nothing is known of one.
        options: How entities are compared.

    Attributes:
        spellings: The distinct entities, as they are first spelled.
        forms: For each question its entities, in the form that is looked for.
        entity: Numbers of the questions' entities, question by question.
        in_reference: How often each of these occurs in its question's reference.
    """

    def __init__(self, questions: Sequence[Question | None], options: ScoringOptions) -> None:
        self.spellings: list[str] = []
        self.forms: list[tuple[str, ...]] = []
        numbers: dict[str, int] = {}
        shared: dict[str, str] = {}
        entity: list[int] = []
        for question in questions:
            own: dict[str, str] = {}
            for spelling in map(normalise_entity, question.entities if question else ()):
                if spelling:
                    own.setdefault(fold_case(spelling, options.case), spelling)
            for form, spelling in own.items():
                if form not in numbers:
                    numbers[form] = len(numbers)
                    self.spellings.append(spelling)
                entity.append(numbers[form])
            self.forms.append(tuple(shared.setdefault(form, form) for form in own))
        self.entity = np.array(entity, np.int64)
        self.in_reference = count_occurrences(
            (question.reference if question else "" for question in questions), self.forms, options
        )
        widths = np.array([len(own) for own in self.forms], np.int64)
        self._begins = np.concatenate([[0], np.cumsum(widths)])

    def flat(self, questions: npt.NDArray[np.int32]) -> "_Flat":
        """Places of the entities of some questions in :attr:`entity`, question by question."""
        begins = self._begins[questions]
        widths = self._begins[questions + 1] - begins
        which = np.repeat(np.arange(len(questions)), widths)
        first = np.concatenate([[0], np.cumsum(widths)])[which]
        return _Flat(which, begins[which] + np.arange(len(which)) - first)


@dataclass(frozen=True, slots=True)
class _Flat:
    """The entities that some answers are asked for, one after the other.

    Attributes:
        answer: Number of the answer.
        place: Place of the entity among those of all questions.
    """

    answer: Indices
    place: Indices


class _Tally:
    """Counts for each contender and entity.

    Args:
        contenders: How many contenders there are.
        entities: How many entities.
    """

    def __init__(self, contenders: int, entities: int) -> None:
        self._shape = contenders, entities
        self._asked, self._found, self._repeats = (
            np.zeros(self._shape, np.int64) for _ in range(3)
        )

    def add(
        self,
        contender: npt.NDArray[np.int32],
        flat: _Flat,
        asked: _AskedEntities,
        counts: _Counts,
    ) -> None:
        """Takes how often each entity occurs in each of some answers."""
        cell = contender[flat.answer].astype(np.int64) * self._shape[1] + asked.entity[flat.place]
        beyond = np.maximum(counts - asked.in_reference[flat.place], 0)
        self._asked += self._sums(cell, np.ones(len(cell)))
        self._found += self._sums(cell, counts > 0)
        self._repeats += self._sums(cell, beyond)

    def _sums(self, cell: Indices, numbers: npt.ArrayLike) -> _Counts:
        sums = np.bincount(cell, numbers, minlength=self._asked.size)
        found: _Counts = sums.astype(np.int64).reshape(self._shape)
        return found

    def result(self, spellings: Sequence[str]) -> EntityKnowledge:
        """What the counts say."""
        asked, found, repeats = (
            column.sum(axis=0) for column in (self._asked, self._found, self._repeats)
        )
        by_name = np.argsort(np.array(spellings, object), kind="stable")

        def ranked(*keys: _Counts | npt.NDArray[np.float64]) -> Indices:
            """Entities by descending keys, the first one first, and then by name."""
            order = np.lexsort([-key[by_name] for key in reversed(keys)])
            chosen: Indices = by_name[order]
            return chosen

        def listed(places: Indices, count: int = _SHOWN) -> tuple[EntityStanding, ...]:
            return tuple(self._standing(place, spellings) for place in places[:count].tolist())

        is_asked = asked > 0
        most_asked = ranked(asked)[: min(_LISTED, int(is_asked.sum()))]
        missed = np.where(np.isin(np.arange(len(asked)), most_asked), asked - found, 0)
        by_repeats = ranked(repeats, asked)
        share = np.where(asked >= _LEAST_ASKED, found / np.maximum(asked, 1), 0.0)
        by_missed, by_share = ranked(missed, asked), ranked(share, asked)
        return EntityKnowledge(
            distinct=int(is_asked.sum()),
            coverage_counts=tuple(map(_coverage_counts, self._asked, self._found)),
            most_asked=listed(most_asked, _LISTED),
            most_missed=listed(by_missed[missed[by_missed] > 0]),
            most_repeated=listed(by_repeats[repeats[by_repeats] > 0]),
            most_known=listed(by_share[share[by_share] > 0]),
        )

    def _standing(self, place: int, spellings: Sequence[str]) -> EntityStanding:
        asked = self._asked[:, place]
        return EntityStanding(
            entity=spellings[place],
            questions=int(asked.sum()),
            asked=tuple(asked.tolist()),
            found=tuple(self._found[:, place].tolist()),
            repeats=tuple(self._repeats[:, place].tolist()),
        )


def _coverage_counts(asked: _Counts, found: _Counts) -> tuple[int, ...]:
    """Entities by the share of one contender's answers that name them."""
    is_asked = asked > 0
    shares = found[is_asked] / asked[is_asked]
    is_always = shares == 1.0
    classes = np.searchsorted(_SHARES, shares, side="left")
    classes[is_always] = len(_SHARES) + 1
    return tuple(np.bincount(classes, minlength=len(_SHARES) + 2).tolist())
