"""The rows of a report: which answers each is about, what became of them, and their scores."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.benchmark.records import Setting
from services.metrics.outcome import UnscorableReason
from services.metrics.score_columns import REASONS, ScoreColumns
from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.evidence import PARTS, SETTINGS, Evidence
from services.sweep.report.model import Counts
from services.sweep.report.statistics.samples import Sample
from services.sweep.results.stored_columns import Codes, Indices


@dataclass(frozen=True, slots=True)
class Cell:
    """A row of a report, as long as it has no numbers.

    Attributes:
        contender: Place of the contender.
        setting: With Title or Without Title.
        part: ``seen``, ``unseen`` or ``all``.
        rows: Rows of its planned answers; at least one.
    """

    contender: int
    setting: Setting
    part: str
    rows: Indices


@dataclass(frozen=True, slots=True)
class CellScores:
    """One metric's scores in a cell, a row a question: replicates are averaged first.

    Attributes:
        questions: Numbers of the questions, ascending and distinct.
        artworks: Number of each question's artwork.
        scores: Their scores.
    """

    questions: Indices
    artworks: Indices
    scores: ScoreColumns

    @property
    def sample(self) -> Sample:
        """The questions with a value."""
        chosen = np.flatnonzero(self.scores.is_scorable)
        return Sample(
            questions=self.questions[chosen],
            artworks=self.artworks[chosen],
            values=self.scores.values[chosen],
            statistics=self.scores.statistics[chosen],
        )

    @property
    def unscorable(self) -> dict[str, int]:
        """Questions without a value, by reason."""
        return {
            reason.value: count
            for number, reason in enumerate(REASONS)
            if (count := int(np.count_nonzero(self.scores.reasons == number)))
        }

    @property
    def mean_with_zeros(self) -> float | None:
        """The mean where questions whose reference has no pair of entities count as 0.

        None where there is no such question.
        """
        zeros = self.unscorable.get(UnscorableReason.NO_REFERENCE_PAIRS, 0)
        if not zeros:
            return None
        scorable = self.scores.is_scorable
        total = float(self.scores.values[scorable].sum())
        return total / (int(np.count_nonzero(scorable)) + zeros)


def cells_of(evidence: Evidence) -> tuple[Cell, ...]:
    """The rows of a report: contenders, settings and parts in their order, without empty ones."""
    found = []
    for contender in range(len(evidence.contenders)):
        own = evidence.rows(contender)
        for number, setting in enumerate(SETTINGS):
            rows = own[evidence.setting[own] == number]
            parts = evidence.part[rows]
            for place, part in enumerate(PARTS):
                found.append(Cell(contender, setting, part.value, rows[parts == place]))
            found.append(Cell(contender, setting, ALL_PARTS, rows))
    return tuple(cell for cell in found if len(cell.rows))


def scores_by_question(evidence: Evidence, metric: str, rows: Indices) -> CellScores:
    """One metric's scores of some rows, a row a question in its setting.

    Args:
        evidence: The results.
        metric: The metric's name.
        rows: Rows of one contender, ascending.
    """
    return _grouped(evidence, metric, rows, lambda present: evidence.question[present])


def scores_by_pair(evidence: Evidence, metric: str, rows: Indices) -> CellScores:
    """The same, the questions numbered alike in both settings; the rows are of one setting."""
    return _grouped(evidence, metric, rows, lambda present: evidence.pair[present])


def _grouped(
    evidence: Evidence, metric: str, rows: Indices, codes_of: Callable[[Indices], Codes]
) -> CellScores:
    present, scores = evidence.scores(metric, rows)
    codes = codes_of(present).astype(np.int64)
    questions, first = np.unique(codes, return_index=True)
    return CellScores(
        questions=questions,
        artworks=evidence.artwork[present][first].astype(np.int64),
        scores=scores.averaged_by(codes),
    )


def counts_of(evidence: Evidence, rows: Indices) -> Counts:
    """What became of some planned answers of one contender in one setting."""
    scored = evidence.is_scored[rows]
    failed = int(np.count_nonzero(evidence.is_failed[rows]))
    return Counts(
        questions=len(np.unique(evidence.question[rows])),
        replicates=int(evidence.replicate[rows].max()) + 1,
        planned=len(rows),
        scored=int(np.count_nonzero(scored)),
        unscorable=evidence.unscorable_count(rows[scored]),
        failed=failed,
        pending=int(np.count_nonzero(~scored)) - failed,
        truncated=int(np.count_nonzero(evidence.is_truncated[rows] & scored)),
    )
