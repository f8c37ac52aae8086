"""Sums of any number of floats that are rounded once."""

import math

_PENDING_MAX = 256


class ExactSum:
    """A running sum that equals ``math.fsum`` of all that was added, whatever its order.

    Its memory does not grow: what was added is replaced, now and then, by a few floats that have
    exactly the same sum.

    >>> total = ExactSum()
    >>> for value in (0.1, 1e100, 0.2, -1e100):
    ...     total.add(value)
    >>> total.value
    0.30000000000000004
    """

    __slots__ = ("_terms", "_threshold")

    def __init__(self) -> None:
        self._terms: list[float] = []
        self._threshold = _PENDING_MAX

    def add(self, value: float) -> None:
        """Adds a finite number."""
        self._terms.append(value)
        if len(self._terms) >= self._threshold:
            self._terms = _condense(self._terms)
            self._threshold = len(self._terms) + _PENDING_MAX

    @property
    def value(self) -> float:
        """The sum."""
        return math.fsum(self._terms)


def _condense(terms: list[float]) -> list[float]:
    """Finds few floats with exactly the same sum: the rounded sum, then what that left, and so on.

    Each is at most half a last place of the one before, so that there are at most some forty.
    """
    condensed: list[float] = []
    rest = math.fsum(terms)
    while rest:
        condensed.append(rest)
        terms.append(-rest)
        rest = math.fsum(terms)
    return condensed
