"""Which answers a report shows: all of them, or a sample of whole questions."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services.sweep.report.evidence import Evidence
from services.sweep.results.stored_columns import Indices

# So much of the sample goes to questions with failures, as far as there are any.
_FAILED_SHARE = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """The answers that are shown.

    Attributes:
        rows: Rows of the evidence: questions in the order of the plans, both settings of one
            together, the answers of each by contender and replicate.
        total: How many answers there are to choose from.
    """

    rows: Indices
    total: int

    @property
    def is_sample(self) -> bool:
        """Whether there are answers that are not shown."""
        return len(self.rows) < self.total


def choose_answers(evidence: Evidence, most: int, seed: int = 0) -> Choice:
    """Chooses the answers to show.

    Where there are more than are wanted it is whole questions, in both settings with the answers of
    all contenders: those with the lowest numbers among numbers that are drawn for them. Questions
    with a failed answer come first, until they make a tenth of the answers wanted.

    Args:
        evidence: The results.
        most: Answers wanted at most; a single question may have more, and is shown nevertheless.
        seed: Draws the numbers. A question has the same number in every report with this seed.
    """
    total = len(evidence)
    if total <= most:
        rows: Indices = np.arange(total, dtype=np.int64)
    else:
        is_chosen = np.zeros(evidence.pair_count, np.bool_)
        is_chosen[_drawn(evidence, most, seed)] = True
        rows = np.flatnonzero(is_chosen[evidence.pair])
    keys = (evidence.replicate, evidence.contender, evidence.question, evidence.setting)
    order = np.lexsort((*(key[rows] for key in keys), evidence.pair[rows]))
    return Choice(rows[order], total)


def _drawn(evidence: Evidence, most: int, seed: int) -> list[int]:
    if most <= 0:
        return []
    counts = np.bincount(evidence.pair, minlength=evidence.pair_count).tolist()
    has_failed = np.zeros(evidence.pair_count, np.bool_)
    has_failed[evidence.pair[evidence.is_failed]] = True
    order = _shuffled(evidence, seed)
    failed = _fitting((pair for pair in order if has_failed[pair]), counts, most // _FAILED_SHARE)
    left = most - sum(counts[pair] for pair in failed)
    known = set(failed)
    others = _fitting((pair for pair in order if pair not in known), counts, left)
    return failed + others or order[:1]


def _fitting(pairs: Iterable[int], counts: list[int], most: int) -> list[int]:
    """The first of these that have no more answers together."""
    chosen: list[int] = []
    for pair in pairs:
        most -= counts[pair]
        if most < 0:
            break
        chosen.append(pair)
    return chosen


def _shuffled(evidence: Evidence, seed: int) -> list[int]:
    drawn: dict[int, bytes] = {}
    for question in evidence.questions:
        if question.pair not in drawn:
            text = f"viewer/{seed}/{question.split}/{question.question_id}"
            drawn[question.pair] = hashlib.sha256(text.encode()).digest()
    return sorted(drawn, key=lambda pair: drawn[pair])
