"""Where the characters of a text come from that was normalised for comparing.

Matching looks for entities in another form of a text than people are shown: characters are taken
out, replaced and composed, whitespace is shortened, case is folded. An alignment goes along with
such a change and leads from places in what was made back to places in what was given.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from services.metrics.matching import fold_case, normalise_typography
from services.metrics.options import CaseRule

# Elsewhere nothing changes but case, and that in its place. An ASCII character may be the base of
# marks that follow it.
_MAY_CHANGE = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")
# Whitespace that does not stay what it is, in the midst of a sentence.
_OTHER_SPACE = re.compile(r"\s{2,}|[^\S ]")

# Vowels and final consonants of Korean, which compose with what is before them by arithmetic
# (Unicode, section 3.12), so that the tables do not name them.
_KOREAN = frozenset(map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))))
# There are no characters that decompose into two beyond the first two planes.
_PLANES_END = 0x20000
_PARTS_OF_A_PAIR = 2


class Alignment:
    """Leads from offsets in a text that was made to offsets in the text that it was made of.

    It is put together in the order of the text: parts that stay as they are, and parts that
    become something else as a whole.
    """

    __slots__ = ("_given", "_is_whole", "_made", "given_length", "made_length")

    def __init__(self) -> None:
        self._made: list[int] = []
        self._given: list[int] = []
        self._is_whole: list[bool] = []
        self.made_length = 0
        self.given_length = 0

    def keep(self, length: int) -> None:
        """Notes that so many characters stay in their order, each one character."""
        if length and not (self._is_whole and not self._is_whole[-1]):
            self._begin(is_whole=False)
        self.made_length += length
        self.given_length += length

    def replace(self, given: int, made: int) -> None:
        """Notes that so many characters become so many others, or none."""
        if given == made == 1:
            self.keep(1)
        elif given:
            self._begin(is_whole=True)
            self.made_length += made
            self.given_length += given

    def origin(self, begin: int, end: int) -> tuple[int, int]:
        """Where a part of the made text that is not empty comes from: where that begins and ends.

        What became something else as a whole is never cut.
        """
        first, last = self._part(begin), self._part(end - 1)
        given_begin, given_end = self._given[first], self._given[last]
        if not self._is_whole[first]:
            given_begin += begin - self._made[first]
        if not self._is_whole[last]:
            given_end += end - self._made[last]
        else:
            following = self._given[last + 1 : last + 2]
            given_end = following[0] if following else self.given_length
        return given_begin, given_end

    def _begin(self, *, is_whole: bool) -> None:
        self._made.append(self.made_length)
        self._given.append(self.given_length)
        self._is_whole.append(is_whole)

    def _part(self, offset: int) -> int:
        # Of parts that begin at one offset all but the last have become nothing.
        return bisect_right(self._made, offset) - 1


def typographic_alignment(text: str) -> Alignment:
    """Goes along with :func:`services.metrics.matching.normalise_typography`."""
    alignment = Alignment()
    _align_changes(alignment, text, normalise_typography)
    return alignment


def search_alignment(
    typographic: str, spans: Sequence[tuple[int, int]], case: CaseRule
) -> Alignment:
    """Goes along with :class:`services.metrics.occurrences.SearchableText`.

    Args:
        typographic: The text that it is made of.
        spans: Its sentences.
        case: Whether case matters.
    """
    alignment = Alignment()
    still = case is CaseRule.SENSITIVE or typographic.isascii()
    if still and typographic.isprintable() and "  " not in typographic:
        alignment.keep(len(typographic))
        return alignment
    starts = [start for start, _ in spans] + [len(typographic)]
    alignment.replace(starts[0], 0)
    for (start, end), following in zip(spans, starts[1:], strict=True):
        _align_sentence(alignment, typographic[start:end], case)
        alignment.replace(following - end, int(typographic[end : end + 1].isspace()))
    return alignment


def _align_sentence(alignment: Alignment, sentence: str, case: CaseRule) -> None:
    visible = sentence.strip()
    leading = len(sentence) - len(sentence.lstrip())
    alignment.replace(leading, 0)
    at = 0
    for space in _OTHER_SPACE.finditer(visible):
        _align_case(alignment, visible[at : space.start()], case)
        alignment.replace(space.end() - space.start(), 1)
        at = space.end()
    _align_case(alignment, visible[at:], case)
    alignment.replace(len(sentence) - leading - len(visible), 0)


def _align_case(alignment: Alignment, text: str, case: CaseRule) -> None:
    if case is CaseRule.SENSITIVE:
        alignment.keep(len(text))
    else:
        _align_changes(alignment, text, lambda piece: fold_case(piece, case))


def _align_changes(alignment: Alignment, text: str, change: Callable[[str], str]) -> None:
    """Goes along with a change that treats characters apart that do not compose."""
    if text.isascii():
        alignment.keep(len(text))
        return
    at = 0
    for found in _MAY_CHANGE.finditer(text):
        alignment.keep(found.start() - at)
        for piece in _pieces(found[0]):
            made = change(piece)
            if made == piece:
                alignment.keep(len(piece))
            else:
                alignment.replace(len(piece), len(made))
        at = found.end()
    alignment.keep(len(text) - at)


def _pieces(text: str) -> list[str]:
    """Cuts a text before each character that does not change what is before it."""
    starts = [at for at, character in enumerate(text) if not at or not _continues(character)]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


@lru_cache(maxsize=4096)
def _continues(character: str) -> bool:
    """Whether a character may compose with those before it, or goes away between two that do."""
    if character.isascii():
        return False
    first = unicodedata.normalize("NFD", character)[0]
    return (
        unicodedata.combining(first) > 0
        or first in _KOREAN
        or first in _second_parts()
        or not normalise_typography(character)
    )


@cache
def _second_parts() -> frozenset[str]:
    """The characters that are the second part of another one."""
    decompositions = (unicodedata.decomposition(chr(code)).split() for code in range(_PLANES_END))
    return frozenset(
        chr(int(parts[1], 16))
        for parts in decompositions
        if len(parts) == _PARTS_OF_A_PAIR and not parts[0].startswith("<")
    )
