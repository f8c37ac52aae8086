"""Which tokens of a text an entity shares with it: the longest common subsequence itself.

How long it is says :mod:`services.metrics.subsequence`; here it is found, leftmost, in time that is
bounded alike.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain

# NLTK writes a quotation mark as one of the first two; the last is a plain one.
_QUOTES = frozenset(("``", "''"))
_PLAIN_QUOTES = ("``", "''", '"')
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\S+")


def token_positions(tokens: Sequence[str], wanted: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Where those tokens stand of which at least one of these sequences has one.

    Args:
        tokens: Tokens of a text.
        wanted: The sequences.

    >>> token_positions(["a", "b", "a"], [["a", "c"]])
    {'a': [0, 2]}
    """
    known = set(chain.from_iterable(wanted))
    found: dict[str, list[int]] = {}
    for at, token in enumerate(tokens):
        if token in known:
            found.setdefault(token, []).append(at)
    return found


def leftmost_common(sequence: Sequence[str], positions: Mapping[str, Sequence[int]]) -> list[int]:
    """Finds the tokens of a text that are its longest common subsequence with a shorter sequence.

    Of several ones it is that whose first token stands first, then the second, and so on.

    Args:
        sequence: The shorter sequence, such as an entity's tokens.
        positions: Where the text's tokens stand, as :func:`token_positions` says.

    Returns:
        Places in the text, ascending; none where nothing is shared.

    >>> leftmost_common(["a", "b", "c"], {"b": [0, 3], "a": [1], "c": [2]})
    [0, 2]
    """
    own: dict[str, list[int]] = {}
    for at, token in enumerate(sequence):
        own.setdefault(token, []).append(at)
    shared = sorted((at, token) for token in own for at in positions.get(token, ()))
    if len(shared) <= 1 or len(sequence) == 1:
        return [at for at, _ in shared[:1]]
    rows = _rows_of_ends(own, len(sequence), [token for _, token in shared])
    taken: list[int] = []
    at = 0
    left = _length(rows[0], len(sequence))
    for (place, token), row in zip(shared, rows[1:], strict=True):
        if not left:
            break
        here = bisect_left(own[token], at)
        if here == len(own[token]):
            continue
        after = own[token][here] + 1
        # It is taken if as much as is needed can follow.
        if _length(row, len(sequence) - after) == left - 1:
            taken.append(place)
            at, left = after, left - 1
    return taken


def _rows_of_ends(own: Mapping[str, Sequence[int]], count: int, tokens: Sequence[str]) -> list[int]:
    """For each end of the text, the table's row of its common subsequences with each end.

    Bit-parallel dynamic programming (Hyyrö 2004) from the last token to the first. A zero in a row
    is a step; the lowest bit stands for the sequence's last token.
    """
    masks = {token: sum(1 << count - 1 - at for at in places) for token, places in own.items()}
    full = (1 << count) - 1
    row = full
    rows = [row]
    for token in reversed(tokens):
        step = row & masks[token]
        row = ((row + step) | (row ^ step)) & full
        rows.append(row)
    rows.reverse()
    return rows


def _length(row: int, count: int) -> int:
    """Length of the longest common subsequence with the last so many tokens of the sequence."""
    return count - (row & ((1 << count) - 1)).bit_count()


class TokenPlaces:
    """Says where the tokens of a text stand in it.

    Args:
        text: The text.
        tokens: Its tokens in their order, as a tokeniser found them; between two of them there is
            nothing but whitespace. One that is not there takes no room.

    >>> places = TokenPlaces('Is "Paris" it?', ["Is", "``", "Paris", "''", "it", "?"])
    >>> [places.of(token) for token in range(6)]
    [(0, 2), (3, 4), (4, 9), (9, 10), (11, 13), (13, 14)]
    """

    def __init__(self, text: str, tokens: Sequence[str]) -> None:
        # Offsets that leave whitespace out: of the tokens, and of what stands between whitespace.
        self._begins = [0, *accumulate(map(len, tokens))]
        words = text.split()
        self._words = [0, *accumulate(map(len, words))]
        self._starts: Sequence[int] | None = None
        self._places: list[tuple[int, int]] | None = None
        if self._begins[-1] != self._words[-1]:
            self._places = _places_one_by_one(text, tokens)
        elif len(text) != self._words[-1] + len(words) - 1:  # not just single spaces between them
            self._starts = [word.start() for word in _WORD.finditer(text)]

    def of(self, token: int) -> tuple[int, int]:
        """Where a token begins and ends."""
        if self._places is not None:
            return self._places[token]
        begin, end = self._begins[token : token + 2]
        word = bisect_right(self._words, begin) - 1
        start = self._words[word] + word if self._starts is None else self._starts[word]
        at = start + begin - self._words[word]
        return at, at + end - begin


def _places_one_by_one(text: str, tokens: Sequence[str]) -> list[tuple[int, int]]:
    """The same where tokens are longer or shorter than what they stand for."""
    places: list[tuple[int, int]] = []
    at = 0
    for token in tokens:
        if not text.startswith(token, at):
            space = _SPACE.match(text, at)
            assert space is not None
            at = space.end()
        written = _written(text, token, at)
        places.append((at, at + len(written)))
        at += len(written)
    return places


def _written(text: str, token: str, at: int) -> str:
    """How a token is written in a text."""
    if text.startswith(token, at):
        return token
    marks = _PLAIN_QUOTES if token in _QUOTES else ()
    return next((mark for mark in marks if text.startswith(mark, at)), "")
