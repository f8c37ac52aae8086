"""Finds entities in a text, by the rules of :mod:`services.metrics.matching`.

The time is bounded whatever texts and entities hold: what occurs often is found by the
interpreter's own search in a text of one character a word. So a text may hold 1,114,111 different
words at most; one that holds more is refused.
"""

import string
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from services.core.errors import InvalidRequestError
from services.metrics.matching import fold_case, is_free, joined_pieces
from services.metrics.options import BoundaryRule, CaseRule

# So many places in one text where an entity stands, free or inside longer words, and it is looked
# for in the text's pieces instead.
_PATIENCE = 32

# CPython searches less than 30,000 characters by a method that may compare most of the entity at
# every place, and more by one that is linear (Objects/stringlib/fastsearch.h). So long texts are
# followed by as many characters that nobody looks for.
_LONG_TEXT_CHARS = 8_000
_FILLING_CHARS = 30_000

# One character each for them, and one for the filling.
_MOST_PIECES = sys.maxunicode

_ASCII_WORD = frozenset(string.ascii_letters + string.digits + "_")


class SearchableText:
    """A text in the form in which entities are looked for.

    Args:
        typographic: The text after rules 2 to 4.
        spans: Its sentences.
        case: Whether case matters.

    Attributes:
        text: The text to search.
        sentence_starts: Offset in ``text`` at which each sentence begins, ascending from 0.
    """

    __slots__ = ("_haystack", "_pieces", "sentence_starts", "text")

    def __init__(self, typographic: str, spans: list[tuple[int, int]], case: CaseRule) -> None:
        self._pieces: dict[BoundaryRule, _Pieces] = {}
        still = case is CaseRule.SENSITIVE or typographic.isascii()
        if still and typographic.isprintable() and "  " not in typographic:
            # Nothing changes its place: the only whitespace is single spaces.
            self.text = fold_case(typographic, case)
            self.sentence_starts = [start for start, _ in spans]
        else:
            self.text, self.sentence_starts = _join_sentences(typographic, spans, case)
        self._haystack = _followed_by(self.text, "\0")

    def occurrences(self, entity: str, boundary: BoundaryRule) -> list[int]:
        """Finds an entity.

        Args:
            entity: What to look for, in the form of the rules and not empty.
            boundary: Where it may begin and end.

        Returns:
            Offsets of the occurrences, ascending; they do not overlap.

        Raises:
            InvalidRequestError: The text has too many different words (see the module).
        """
        text, haystack, length = self.text, self._haystack, len(entity)
        last = len(text) - length  # what is found after it reaches into the filling
        plain = boundary is BoundaryRule.WORD and text.isascii()
        joins_before, joins_after = entity[0] in _ASCII_WORD, entity[-1] in _ASCII_WORD
        found: list[int] = []
        at, tries = haystack.find(entity), 0
        while 0 <= at <= last:
            if tries == _PATIENCE:
                return self._occurrences_of_pieces(entity, boundary)
            tries += 1
            end = at + length
            if plain:  # the same, without the calls
                free = not (
                    (joins_before and at and text[at - 1] in _ASCII_WORD)
                    or (joins_after and text[end : end + 1] in _ASCII_WORD)
                )
            else:
                free = is_free(text, at, boundary) and is_free(text, end, boundary)
            if free:
                found.append(at)
                at = haystack.find(entity, end)
            else:
                at = haystack.find(entity, at + 1)
        return found

    def _occurrences_of_pieces(self, entity: str, boundary: BoundaryRule) -> list[int]:
        if boundary not in self._pieces:
            self._pieces[boundary] = _Pieces(joined_pieces(self.text, boundary))
        return self._pieces[boundary].occurrences(joined_pieces(entity, boundary))

    def sentences_of(self, offsets: Sequence[int]) -> list[int]:
        """Says in which sentences these ascending offsets are; each sentence once, ascending."""
        starts = self.sentence_starts
        if len(offsets) == 1:
            return [bisect_right(starts, offsets[0]) - 1]
        found = []
        at = 0
        while at < len(offsets):
            sentence = bisect_right(starts, offsets[at])
            found.append(sentence - 1)
            if sentence == len(starts):
                break
            at = bisect_left(offsets, starts[sentence], at + 1)
        return found


def _join_sentences(
    typographic: str, spans: list[tuple[int, int]], case: CaseRule
) -> tuple[str, list[int]]:
    """Applies rules 1 and 5 to each sentence, and says where they begin then."""
    pieces: list[str] = []
    starts: list[int] = []
    length = 0
    for start, end in spans:
        starts.append(length)
        piece = fold_case(" ".join(typographic[start:end].split()), case)
        # Without this, "one.Two" and "one. Two" would become the same.
        if typographic[end : end + 1].isspace():
            piece += " "
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces), starts


def _followed_by(text: str, filling: str) -> str:
    return text if len(text) < _LONG_TEXT_CHARS else text + filling * _FILLING_CHARS


class _Pieces:
    """A text as one character for each of its pieces, with equal characters for equal pieces.

    Where a piece begins an entity may begin, and where one ends it may end. So an entity occurs
    where its own pieces stand in a row.
    """

    __slots__ = ("_codes", "_offsets", "_text")

    def __init__(self, pieces: Sequence[str]) -> None:
        count = len(set(pieces))
        if count > _MOST_PIECES:
            raise InvalidRequestError(
                f"entities cannot be looked for in a text of {count:,} different words; give one "
                f"of at most {_MOST_PIECES:,}"
            )
        codes: dict[str, str] = {}
        text = "".join([codes.setdefault(piece, chr(len(codes))) for piece in pieces])
        self._text = _followed_by(text, chr(len(codes)))
        self._codes = codes
        self._offsets = [0, *accumulate(map(len, pieces))]

    def occurrences(self, pieces: Sequence[str]) -> list[int]:
        codes = [self._codes.get(piece, "") for piece in pieces]
        if not all(codes):
            return []
        between = self._text.split("".join(codes))[:-1]
        ends = accumulate([len(gap) + len(codes) for gap in between])
        return [self._offsets[end - len(codes)] for end in ends]


class EntityOccurrences:
    """Where the entities of an item occur in one of its two texts.

    Attributes:
        counts: How often each entity occurs, in the order of the item's entities.
        sentences: For each entity the sentences in which it begins, ascending.
        by_sentence: For each sentence, the set of entities that begin in it, as a bit mask:
            bit i stands for the item's entity i.
        pairs: What :mod:`services.metrics.entity_cooccurrence` has made of them, by window.
    """

    __slots__ = ("by_sentence", "counts", "pairs", "sentences")

    def __init__(
        self, searchable: SearchableText, entities: Sequence[str], boundary: BoundaryRule
    ) -> None:
        self.counts: list[int] = []
        self.sentences: list[list[int]] = []
        self.by_sentence = [0] * len(searchable.sentence_starts)
        self.pairs: dict[int | None, int] = {}
        for index, entity in enumerate(entities):
            offsets = searchable.occurrences(entity, boundary)
            sentences = searchable.sentences_of(offsets) if offsets else []
            self.counts.append(len(offsets))
            self.sentences.append(sentences)
            for sentence in sentences:
                self.by_sentence[sentence] |= 1 << index
