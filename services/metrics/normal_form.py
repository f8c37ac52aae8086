"""Unicode's normalisation forms C and D, in time that is linear in any text's length.

``unicodedata.normalize`` sorts the marks of a character by insertion, which takes seconds where
there are tens of thousands of them. So long runs of marks are sorted here first.
"""

import re
import unicodedata

# A run of twice as many marks holds so many that end at a multiple of it. Shorter runs are few
# enough to be sorted by insertion.
_STEP = 16


def _decomposed(character: str) -> str:
    return unicodedata.normalize("NFD", character)


# Marks are what is sorted. A few consist of others, and some of these (Tibetan) have no combining
# class of their own. There is none beyond the first two planes.
_MARKS = frozenset(
    character
    for character in map(chr, range(0x20000))
    if unicodedata.combining(character)
    or (unicodedata.decomposition(character) and unicodedata.combining(_decomposed(character)[0]))
)
_PARTS = str.maketrans({mark: _decomposed(mark) for mark in _MARKS if _decomposed(mark) != mark})
_LONG_RUN = re.compile(f"[{''.join(_MARKS)}]{{{2 * _STEP - 1},}}")  # linear: one class


def compose(text: str) -> str:
    """Brings a text to normalisation form C."""
    return unicodedata.normalize("NFC", sort_long_runs(text))


def decompose(text: str) -> str:
    """Brings a text to normalisation form D."""
    return unicodedata.normalize("NFD", sort_long_runs(text))


def sort_long_runs(text: str) -> str:
    """Puts long runs of marks into canonical order, which leaves the text canonically equivalent.

    >>> acute, dot_below = map(chr, (0x0301, 0x0323))
    >>> sort_long_runs("a" + (acute + dot_below) * 20) == "a" + dot_below * 20 + acute * 20
    True
    """
    if _MARKS.isdisjoint(text[_STEP - 1 :: _STEP]):
        return text
    starts = range(0, len(text) - _STEP + 1, _STEP)
    if not any(_MARKS.issuperset(text[start : start + _STEP]) for start in starts):
        return text
    return _LONG_RUN.sub(_sort, text)


def _sort(run: re.Match[str]) -> str:
    return "".join(sorted(run[0].translate(_PARTS), key=unicodedata.combining))
