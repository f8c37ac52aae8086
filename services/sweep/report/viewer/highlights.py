"""Marks where a text names entities: as the metrics count them, in the text as it was written.

Entities that entity coverage counts as found are marked at their occurrences. Of the others those
tokens are marked that the partial match counts: the longest common subsequence of an entity's
tokens with the text's, the leftmost one. Where occurrences of two entities overlap the longer one
is marked, and of the shorter what is left of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from typing import NamedTuple

from services.metrics import tokens
from services.metrics.entities import EntityList, list_entities
from services.metrics.matching import fold_case, normalise_entity, normalise_typography
from services.metrics.occurrences import SearchableText
from services.metrics.options import CaseRule, ScoringOptions, TokenizerRule
from services.metrics.splitting import split_tokens
from services.sweep.report.viewer.alignment import (
    Alignment,
    search_alignment,
    typographic_alignment,
)
from services.sweep.report.viewer.common_tokens import (
    TokenPlaces,
    leftmost_common,
    token_positions,
)

NO_ENTITY = -1
"""The entity of a span that is no part of one."""


class Mark(IntEnum):
    """What a span of a text is, and what became of an entity."""

    NONE = 0
    """Neither found nor in part: plain text, a missed entity."""

    EXACT = 1
    """Found."""

    PART = 2
    """Not found, but for some of its tokens."""


class Span(NamedTuple):
    """A part of a text.

    Attributes:
        text: Its characters.
        mark: What it is.
        entity: Place of the entity that is named there; :data:`NO_ENTITY` in plain text.
    """

    text: str
    mark: Mark
    entity: int


@dataclass(frozen=True, slots=True)
class Highlights:
    """A text with its entities marked.

    Attributes:
        spans: Parts of the text; put together they are the whole.
        marks: What became of each entity.
    """

    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]


class _Stretch(NamedTuple):
    """Where an entity stands in a text, of which one wins that comes before others in order."""

    rank: tuple[int, int, int]
    begin: int
    end: int
    mark: Mark


class Highlighter:
    """Marks one question's entities in texts.

    Args:
        entities: The entities of its reference; those in which nothing is visible are left out.
        options: The choices by which answers were scored.

    Attributes:
        entities: The entities as they are written, in the order of the places in what is marked.
            Of those that matching cannot tell apart the first.
    """

    def __init__(self, entities: Iterable[str], options: ScoringOptions) -> None:
        case = options.case
        written: dict[str, str] = {}
        for entity in entities:
            if normal := normalise_entity(entity):
                written.setdefault(fold_case(normal, case), entity)
        self.entities = tuple(written.values())
        self._options = options
        self._list: EntityList = list_entities(self.entities, case)
        self._tokens = self._list.tokens(options.tokenizer)

    @property
    def token_counts(self) -> tuple[int, ...]:
        """How many tokens each entity has."""
        return tuple(map(len, self._tokens))

    def highlight(self, text: str) -> Highlights:
        """Marks the entities of a text."""
        if not self.entities:
            return Highlights(_spans(text, []), ())
        searched = _SearchedText(text, self._options.case)
        marks = [Mark.NONE] * len(self.entities)
        stretches: list[_Stretch] = []
        for entity, form in enumerate(self._list.forms):
            for at in searched.searchable.occurrences(form, self._options.boundary):
                marks[entity] = Mark.EXACT
                begin, end = searched.found_at(at, at + len(form))
                stretches.append(_Stretch((0, begin - end, entity), begin, end, Mark.EXACT))
        missed = [entity for entity, mark in enumerate(marks) if mark is Mark.NONE]
        for stretch in self._in_part(searched, missed):
            marks[stretch.rank[-1]] = Mark.PART
            stretches.append(stretch)
        return Highlights(_spans(text, stretches), tuple(marks))

    def _in_part(self, searched: "_SearchedText", missed: Sequence[int]) -> Iterator[_Stretch]:
        """Where tokens of entities stand that are not found, neighbours together."""
        if not missed:
            return
        rule, case = self._options.tokenizer, self._options.case
        found = searched.tokens(rule)
        folded = found if case is CaseRule.SENSITIVE else [fold_case(t, case) for t in found]
        positions = token_positions(folded, [self._tokens[entity] for entity in missed])
        if not positions:
            return
        places = TokenPlaces(searched.typographic, found)
        for entity in missed:
            common = leftmost_common(self._tokens[entity], positions)
            for first, last in _runs(common):
                begin, end = searched.written_at(places.of(first)[0], places.of(last)[1])
                yield _Stretch((1, -len(common), entity), begin, end, Mark.PART)


class _SearchedText:
    """A text in the forms in which it is compared, and the way back from these."""

    def __init__(self, text: str, case: CaseRule) -> None:
        self._text = text
        self._case = case
        self.typographic = normalise_typography(text)
        self._sentences = tokens.sentence_spans(self.typographic)
        self.searchable = SearchableText(self.typographic, self._sentences, case)
        self._written: Alignment | None = None
        self._found: Alignment | None = None

    def tokens(self, rule: TokenizerRule) -> list[str]:
        """Its tokens, case as it is."""
        if rule is not TokenizerRule.NLTK:
            return split_tokens(self.typographic, rule)
        return [
            word
            for start, end in self._sentences
            for word in tokens.words(self.typographic[start:end])
        ]

    def written_at(self, begin: int, end: int) -> tuple[int, int]:
        """Where a part of the text after typography stands in the text as it was written."""
        if self.typographic == self._text:
            return begin, end
        if self._written is None:
            self._written = typographic_alignment(self._text)
        return self._written.origin(begin, end)

    def found_at(self, begin: int, end: int) -> tuple[int, int]:
        """Where a part of the text that is searched stands in the text as it was written."""
        if self._found is None:
            self._found = search_alignment(self.typographic, self._sentences, self._case)
        return self.written_at(*self._found.origin(begin, end))


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of the places that follow each other."""
    first = last = -1
    for place in places:
        if first >= 0 and place == last + 1:
            last = place
            continue
        if first >= 0:
            yield first, last
        first = last = place
    if first >= 0:
        yield first, last


def _spans(text: str, stretches: Sequence[_Stretch]) -> tuple[Span, ...]:
    """Cuts a text so that every character is of the stretch that wins there."""
    waiting = sorted(stretches, key=lambda stretch: stretch.begin, reverse=True)
    cuts = sorted({place for stretch in stretches for place in (stretch.begin, stretch.end)})
    # What has begun, the winner first; what has ended is taken out when it would win.
    open_stretches: list[_Stretch] = []
    pieces: list[tuple[int, _Stretch | None]] = [(0, None)]
    for cut in cuts:
        while waiting and waiting[-1].begin == cut:
            heappush(open_stretches, waiting.pop())
        while open_stretches and open_stretches[0].end <= cut:
            heappop(open_stretches)
        winner = open_stretches[0] if open_stretches else None
        if winner is not pieces[-1][1]:
            pieces.append((cut, winner))
    ends = [begin for begin, _ in pieces[1:]] + [len(text)]
    return tuple(
        Span(text[begin:end], *((winner.mark, winner.rank[-1]) if winner else (Mark.NONE, -1)))
        for (begin, winner), end in zip(pieces, ends, strict=True)
        if begin < end
    )
