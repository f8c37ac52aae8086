"""When two spellings are the same entity, and where a word may begin and end.

**One form.** Before anything is compared both sides are brought to one form:

1. whitespace (the no-break space included): every run of it becomes one space, and an entity's ends
   are trimmed;
2. invisible characters go: the soft hyphen, zero-width space, word joiner, byte order mark,
   invisible mathematical operators, marks and controls of writing direction, combining grapheme
   joiner, and variation selectors (so that a heart is a heart in either presentation). The
   zero-width joiner and non-joiner stay, since they make other emoji and other words;
3. curly apostrophes and single quotation marks (U+2018, U+2019, U+201B, U+02BC) become ', double
   ones (U+201C, U+201D, U+201F) become ", and the hyphens U+2010 and U+2011 become -. Dashes, the
   minus sign, primes, accents that stand alone and low quotation marks stay what they are;
4. Unicode normalisation form C: é is é and 한 is 한, however they are encoded. Compatibility forms
   such as ligatures, superscripts, full-width letters and Roman numeral signs stay;
5. if case does not matter, Unicode's full case folding without any language's own rules, and rules
   3 and 4 on the result: ß is ss, the ligature ﬁ is fi, a final sigma is a sigma; the Turkish İ is
   an i with a dot above, and neither i nor the dotless i.

**Occurrences.** An occurrence is then the entity's exact characters; none of them means anything
else, as in a regular expression. Occurrences of one entity do not overlap: they are taken from left
to right. Entities are independent of each other: in "Leonardo da Vinci" both "Leonardo da Vinci"
and "Leonardo" occur, and overlapping entities each count. An occurrence belongs to the sentence in
which it begins; sentences are those of the text after rules 2 to 4.

**Boundaries.** On word boundaries means: an entity's first and last character are not joined to the
character before and after. Two neighbouring characters are joined

- if both are word characters: letters, digits (superscripts too) and the underscore. So there is
  "Louvre" in "Louvre's" and in "Louvre-Lens", and none in "Louvres"; particles and endings that
  are written onto a word, as in Korean, Hebrew and Russian, belong to it. Characters of scripts
  that are written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are never joined
  to their neighbours by this rule;
- if the second belongs to the first: a combining mark, a zero-width joiner or non-joiner, an
  emoji's skin tone or tag. A non-joiner counts as a word character, too;
- if the first is a zero-width joiner and the second no space.

As a substring means: anywhere but between characters that are joined by the last two rules, so that
an e is not found in an é that has no composed form.
"""

import re
import unicodedata
from functools import lru_cache

from services.metrics.normal_form import compose, decompose
from services.metrics.options import BoundaryRule, CaseRule

_INVISIBLE = (
    "\u00ad\u034f\u061c\u180b-\u180d\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef"
)
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

# These patterns are of single characters, so linear.
_REMOVED = re.compile(f"[{_INVISIBLE}]")
_REPLACED = re.compile(f"[{''.join(_FOLDED)}]")
_NOTHING_VISIBLE = re.compile(r"[ \u200c\u200d]*")
# It stays true to the scripts' main blocks.
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

_ZERO_WIDTH_JOINER = "\u200d"
# The non-joiner, skin tones, and the tags that make flags of regions.
_EXTENDING = re.compile("[\u200c\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")

# Classes of characters.
_SPACE = "s"
_WORD = "w"
_MARK = "m"
_SPACELESS_MARK = "f"  # a mark in a script without spaces
_JOINER = "j"
_OTHER = "o"
# Runs of characters that are joined, in a text of classes. Linear: each class is looked at once.
_PIECES = {
    BoundaryRule.WORD: re.compile(r".(?:[mfj]|(?<=j)[^s]|(?<=[wmj])w)*"),
    BoundaryRule.SUBSTRING: re.compile(r".(?:[mfj]|(?<=j)[^s])*"),
}


def normalise_typography(text: str) -> str:
    """Applies rules 2 to 4 (see the module) and leaves whitespace and case alone."""
    if text.isascii():
        return text
    text = _REMOVED.sub("", text)
    text = _REPLACED.sub(lambda found: _FOLDED[found[0]], text)
    return compose(text)


def fold_case(text: str, case: CaseRule) -> str:
    """Applies rule 5 (see the module) where case does not matter."""
    if case is CaseRule.SENSITIVE:
        return text
    if text.isascii():
        return text.casefold()
    # Decomposed first, as Unicode defines caseless matching of canonically equivalent texts (D145).
    return normalise_typography(decompose(text).casefold())


def normalise_entity(entity: str) -> str:
    """Applies rules 1 to 4 (see the module) to an entity; leaves nothing if nothing is visible."""
    normal = " ".join(normalise_typography(entity).split())
    if normal.isascii():
        return normal
    return "" if _NOTHING_VISIBLE.fullmatch(normal) else normal


@lru_cache(maxsize=4096)
def _class_of(character: str) -> str:
    if character.isspace():
        return _SPACE
    if character == _ZERO_WIDTH_JOINER:
        return _JOINER
    spaceless = _SPACELESS.match(character) is not None
    if _EXTENDING.match(character) or unicodedata.category(character).startswith("M"):
        return _SPACELESS_MARK if spaceless else _MARK
    return _WORD if not spaceless and (character.isalnum() or character == "_") else _OTHER


def is_free(text: str, offset: int, boundary: BoundaryRule) -> bool:
    """Whether an entity may begin or end at an offset: its two neighbours are not joined."""
    if offset in (0, len(text)):
        return True
    before, after = text[offset - 1], text[offset]
    if before.isascii() and after.isascii():
        if boundary is BoundaryRule.SUBSTRING:
            return True
        return not ((before.isalnum() or before == "_") and (after.isalnum() or after == "_"))
    pair = _class_of(before) + _class_of(after)
    return _PIECES[boundary].fullmatch(pair) is None


def joined_pieces(text: str, boundary: BoundaryRule) -> list[str]:
    """Cuts a text wherever an entity may begin or end.

    >>> joined_pieces("C++ isn't", BoundaryRule.WORD)
    ['C', '+', '+', ' ', 'isn', "'", 't']
    """
    classes = text.translate({ord(character): _class_of(character) for character in set(text)})
    return [text[run.start() : run.end()] for run in _PIECES[boundary].finditer(classes)]
