"""What a column of the plans says of each answer, for many answers."""

import numpy as np

from services.sweep.report.evidence import Evidence


class PlanTexts:
    """One column of the plans of all sweeps.

    Args:
        evidence: The results.
        column: Name of the column, such as ``image``.
    """

    def __init__(self, evidence: Evidence, column: str) -> None:
        numbers: dict[str, int] = {}
        parts = []
        for source in evidence.sources:
            coded = source.plan.columns[column]
            known = [numbers.setdefault(value, len(numbers)) for value in coded.values]
            # A code of -1, for nothing, leads to the last one, and that to the empty text.
            parts.append(np.array([*known, -1], np.int64)[coded.codes])
        self._numbers = np.concatenate(parts)
        self._values: tuple[str, ...] = (*numbers, "")

    def text(self, row: int) -> str:
        """What it says of a row; empty for nothing."""
        return self._values[int(self._numbers[row])]
