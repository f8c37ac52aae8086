"""Remembers what was computed from rows of numbers lately."""

from collections.abc import Callable, Sequence

import numpy as np

from services.sweep.report.statistics.samples import Floats

# Numbers that are kept at most: 64 MB.
KEPT_NUMBERS = 2**23


class Recall:
    """Computes rows from rows, and those that were computed lately not again.

    The same sample stands in an estimate, in several contrasts and as many gaps; the same counts of
    questions stand beside every metric.

    Args:
        compute: Gives for each row of a matrix a row that depends on no other.
    """

    def __init__(self, compute: Callable[[Floats], Floats]) -> None:
        self._compute = compute
        self._kept: dict[bytes, Floats] = {}

    def __call__(self, rows: Sequence[Floats]) -> list[Floats]:
        """The rows computed from these, in their order; they cannot be written to."""
        keys = [row.tobytes() for row in rows]
        missing = {key: row for key, row in zip(keys, rows, strict=True) if key not in self._kept}
        found = {key: self._kept.pop(key) for key in dict.fromkeys(keys) if key not in missing}
        if missing:
            for key, row in zip(
                missing, self._compute(np.array(list(missing.values()))), strict=True
            ):
                found[key] = row.copy()  # alone, not as a part of all that was computed
                found[key].setflags(write=False)
        self._kept |= found
        self._forget()
        return [found[key] for key in keys]

    def _forget(self) -> None:
        """Forgets what was asked for the longest time ago."""
        too_many = sum(map(len, self._kept.values())) - KEPT_NUMBERS
        while too_many > 0:
            too_many -= len(self._kept.pop(next(iter(self._kept))))
