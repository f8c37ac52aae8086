"""Where entities occur in a text.

Before the search both sides are brought to one form:

1. whitespace: every run of it becomes one space, and an entity's ends are trimmed;
2. invisible characters (soft hyphen, zero-width space, word joiner, byte order mark) go;
3. curly apostrophes and single quotation marks (U+2018, U+2019, U+201B, U+02BC) become ', double
   ones (U+201C, U+201D, U+201F) become ", and the hyphens U+2010 and U+2011 become -. Dashes and
   low quotation marks stay what they are;
4. Unicode normalisation form C: é is é, however it is encoded. Compatibility forms such as
   ligatures and superscripts stay;
5. if case does not matter, Unicode case folding.

An occurrence is then the entity's exact characters. Occurrences of one entity do not overlap: they
are taken from left to right. Entities are independent of each other: in "Leonardo da Vinci" both
"Leonardo da Vinci" and "Leonardo" occur. An occurrence belongs to the sentence in which it begins.

On word boundaries means: an entity's first and last character are not joined to the character
before and after. Two characters are joined if both are word characters (letters, digits, the
underscore), or if the second is a combining mark. Characters of scripts that are written without
spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are never joined to their neighbours.
"""

import re
import unicodedata

from services.metrics.options import BoundaryRule, CaseRule

_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
_FOLDED = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201b": "'",
    "\u02bc": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201f": '"',
    "\u2010": "-",
    "\u2011": "-",
}
_TYPOGRAPHY = str.maketrans({**_FOLDED, **dict.fromkeys(_INVISIBLE, None)})

# A pattern of single characters, so linear. It stays true to the scripts' main blocks.
_SPACELESS = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d"  # Hiragana, Katakana
    "\U00020000-\U0003ffff"  # Han extensions
    "]"
)

# So many matches inside longer words in one text, and word boundaries are worked out in advance.
_PATIENCE = 32


def normalise_typography(text: str) -> str:
    """Applies rules 2 to 4 (see the module) and leaves whitespace and case alone."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.translate(_TYPOGRAPHY))


def fold_case(text: str, case: CaseRule) -> str:
    """Applies rule 5 (see the module) where case does not matter."""
    if case is CaseRule.SENSITIVE:
        return text
    folded = text.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


def normalise_entity(entity: str) -> str:
    """Applies rules 1 to 4 (see the module) to an entity; may leave nothing."""
    return " ".join(normalise_typography(entity).split())


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

    __slots__ = ("_boundaries", "sentence_starts", "text")

    def __init__(self, typographic: str, spans: list[tuple[int, int]], case: CaseRule) -> None:
        pieces: list[str] = []
        self.sentence_starts: list[int] = []
        length = 0
        for start, end in spans:
            self.sentence_starts.append(length)
            piece = fold_case(" ".join(typographic[start:end].split()), case)
            # Without this, "one.Two" and "one. Two" would become the same.
            if typographic[end : end + 1].isspace():
                piece += " "
            pieces.append(piece)
            length += len(piece)
        self.text = "".join(pieces)
        self._boundaries: bytearray | None = None

    def occurrences(self, entity: str, boundary: BoundaryRule) -> list[int]:
        """Finds an entity.

        Takes time linear in the text, whatever characters the entity holds.

        Args:
            entity: What to look for, in the form of this module and not empty.
            boundary: Where it may begin and end.

        Returns:
            Offsets of the occurrences, ascending; they do not overlap.
        """
        text, length = self.text, len(entity)
        found: list[int] = []
        misses = 0
        at = text.find(entity)
        while at >= 0:
            end = at + length
            if boundary is BoundaryRule.SUBSTRING or (self._is_free(at) and self._is_free(end)):
                found.append(at)
                at = text.find(entity, end)
                continue
            misses += 1
            if misses == _PATIENCE:
                found += self._occurrences_by_table(entity, at + 1)
                break
            at = text.find(entity, at + 1)
        return found

    def _is_free(self, offset: int) -> bool:
        """Whether a word may begin or end there."""
        if offset in (0, len(self.text)):
            return True
        return not _joined(self.text[offset - 1], self.text[offset])

    def _occurrences_by_table(self, entity: str, start: int) -> list[int]:
        """Goes on from an offset, jumping from one word boundary to the next."""
        if self._boundaries is None:
            self._boundaries = bytearray(map(self._is_free, range(len(self.text) + 1)))
        boundaries, text, length = self._boundaries, self.text, len(entity)
        found: list[int] = []
        at = text.find(entity, start)
        while at >= 0:
            if boundaries[at] and boundaries[at + length]:
                found.append(at)
                at += length
            else:
                at += 1
            free = boundaries.find(1, at)
            at = text.find(entity, free) if free >= 0 else -1
        return found


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_joining(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    if _SPACELESS.match(character):
        return False
    return character.isalnum() or _is_mark(character)


def _joined(before: str, after: str) -> bool:
    """Whether no word boundary lies between two neighbouring characters."""
    if _is_joining(before) and _is_joining(after):
        return True
    return not after.isascii() and _is_mark(after)
