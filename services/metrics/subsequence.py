"""Longest common subsequences of tokens, in time that is bounded for any input."""

from collections.abc import Collection, Sequence

# So few are set one by one, which takes no more than their number times the length of the integer.
_FEW_POSITIONS = 16


class TokenSequences:
    """Sequences of tokens with which others are to be compared.

    Bit-parallel dynamic programming (Hyyrö 2004), over all the sequences at once: each token of
    theirs is a bit, and each token that is compared costs a few operations on one long integer.

    Args:
        sequences: The sequences; one or more.
        wanted: The tokens that the others consist of; all else is passed over.

    >>> sequences = TokenSequences([["a", "b", "a"], ["c", "a"]], {"a", "c"})
    >>> sequences.longest_common(["a", "c", "a"])
    2
    """

    def __init__(self, sequences: Sequence[Sequence[str]], wanted: Collection[str]) -> None:
        positions: dict[str, list[int]] = {}
        self._parts: list[tuple[int, int]] = []
        at, row = 0, 0
        for sequence in sequences:
            start = at
            for token in sequence:
                if token in wanted:
                    positions.setdefault(token, []).append(at)
                    at += 1
            if at > start:
                part = (1 << at - start) - 1
                row |= part << start
                self._parts.append((start, part))
                at += 1  # between two sequences a bit is left free, and takes up the carry
        self._row = row
        self._positions = positions
        self._masks: dict[str, int] = {}

    def longest_common(self, tokens: Sequence[str]) -> int:
        """Length of the longest common subsequence with whichever sequence shares the most."""
        present = [token for token in tokens if token in self._positions]
        if len(present) <= 1:
            return len(present)
        row = self._row
        for token in present:
            step = row & (self._masks.get(token) or self._mask(token))
            row = ((row + step) | (row ^ step)) & self._row
        # A zero in the row is a step of the table's row.
        zeros = self._row ^ row
        if len(self._parts) == 1:
            return zeros.bit_count()
        return max((zeros >> start & part).bit_count() for start, part in self._parts)

    def _mask(self, token: str) -> int:
        positions = self._positions[token]
        if len(positions) <= _FEW_POSITIONS:
            mask = 0
            for position in positions:
                mask |= 1 << position
        else:
            field = bytearray(positions[-1] // 8 + 1)
            for position in positions:
                field[position >> 3] |= 1 << (position & 7)
            mask = int.from_bytes(field, "little")
        self._masks[token] = mask
        return mask
