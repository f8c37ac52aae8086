"""What the page knows of all the answers shown before it opens any: columns of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.benchmark.records import Setting
from services.metrics.score_columns import REASONS
from services.sweep.leaderboard.standings import reported
from services.sweep.report.evidence import PARTS, SETTINGS, Evidence
from services.sweep.report.viewer.choice import Choice
from services.sweep.report.viewer.packing import Json
from services.sweep.results.stored_columns import Indices

_VERSION = 1
_DECIMALS = 2

_SCORED, _UNSCORABLE, _FAILED, _PENDING = range(4)

# Stands among the reasons where nothing was scored.
_UNSCORED = -2


@dataclass(frozen=True, slots=True)
class ShownScores:
    """The scores of the answers that are shown, as reports show them.

    Attributes:
        metrics: Names of the metrics.
        values: For each metric the values in the order of the answers; none where there is none.
        reasons: Likewise why there is none; none where there is a value, or no score.
        is_unscorable: Which answers are scored and have no value by at least one metric.
    """

    metrics: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    reasons: tuple[tuple[str | None, ...], ...]
    is_unscorable: npt.NDArray[np.bool_]

    def of(self, place: int) -> dict[str, float | str]:
        """All the scores of one answer: the value, or the reason why there is none."""
        scores = {
            metric: reasons[place] if values[place] is None else values[place]
            for metric, values, reasons in zip(self.metrics, self.values, self.reasons, strict=True)
        }
        return {metric: score for metric, score in scores.items() if score is not None}


def shown_scores(evidence: Evidence, rows: Indices) -> ShownScores:
    """Collects the scores of rows."""
    place = np.zeros(len(evidence), np.int64)
    place[rows] = np.arange(len(rows))
    ascending = np.sort(rows)
    values, reasons = [], []
    is_unscorable = np.zeros(len(rows), np.bool_)
    names: dict[int, str | None] = {number: reason.value for number, reason in enumerate(REASONS)}
    for metric in evidence.metrics:
        present, scores = evidence.scores(metric, ascending)
        numbers = np.full(len(rows), np.nan)
        why = np.full(len(rows), _UNSCORED, np.int8)
        factor = reported(metric, 1.0) or 1.0
        numbers[place[present]] = np.where(scores.is_scorable, scores.values * factor, np.nan)
        why[place[present]] = scores.reasons
        is_unscorable |= why >= 0
        values.append(_rounded(numbers))
        reasons.append(tuple(names.get(number) for number in why.tolist()))
    return ShownScores(evidence.metrics, tuple(values), tuple(reasons), is_unscorable)


def _rounded(numbers: npt.NDArray[np.float64]) -> tuple[float | None, ...]:
    is_number = np.isfinite(numbers).tolist()
    rounded = np.round(numbers, _DECIMALS).tolist()
    return tuple(value if known else None for value, known in zip(rounded, is_number, strict=True))


class ChunkOfQuestions(NamedTuple):
    """Questions that are packed together.

    Attributes:
        questions: Their places among the questions of the evidence.
        bounds: Where the answers of each begin among those that are shown, and where the last end.
    """

    questions: tuple[int, ...]
    bounds: tuple[int, ...]


def index_content(
    evidence: Evidence,
    choice: Choice,
    scores: ShownScores,
    chunks: Sequence[ChunkOfQuestions],
    note: str,
) -> Json:
    """The index as the page reads it.

    Args:
        evidence: The results.
        choice: The answers that are shown.
        scores: Their scores.
        chunks: Their questions, in the order of the answers.
        note: What is not as it should be; may be empty.
    """
    rows = choice.rows
    shown = [
        (number, offset, evidence.questions[question])
        for number, chunk in enumerate(chunks)
        for offset, question in enumerate(chunk.questions)
    ]
    asked = [question for _, _, question in shown]
    counts = [count for chunk in chunks for count in np.diff(chunk.bounds).tolist()]
    none = len(PARTS)
    return {
        "version": _VERSION,
        "contenders": [contender.label for contender in evidence.contenders],
        "metrics": evidence.metrics,
        "questions": {
            "name": [question.name for question in asked],
            "question_id": [question.question_id for question in asked],
            "title": [question.title for question in asked],
            "artwork": [question.artwork for question in asked],
            "section": [question.section for question in asked],
            "setting": [SETTINGS.index(Setting(question.setting)) for question in asked],
            "part": [
                none if question.part is None else PARTS.index(question.part) for question in asked
            ],
            "chunk": [number for number, _, _ in shown],
            "offset": [offset for _, offset, _ in shown],
        },
        "answers": {
            "question": np.repeat(np.arange(len(shown)), counts).tolist(),
            "contender": evidence.contender[rows].tolist(),
            "replicate": evidence.replicate[rows].tolist(),
            "status": _statuses(evidence, rows, scores).tolist(),
            "truncated": evidence.is_truncated[rows].astype(np.int64).tolist(),
            "values": dict(zip(scores.metrics, scores.values, strict=True)),
        },
        "shown": len(rows),
        "total": choice.total,
        "note": note,
    }


def _statuses(evidence: Evidence, rows: Indices, scores: ShownScores) -> Indices:
    scored = np.where(scores.is_unscorable, _UNSCORABLE, _SCORED)
    others = np.where(evidence.is_failed[rows], _FAILED, _PENDING)
    found: Indices = np.where(evidence.is_scored[rows], scored, others).astype(np.int64)
    return found
