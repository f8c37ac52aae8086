"""The columns of a file of scores, alike in JSON Lines and in Parquet.

``row`` is the row's number in the scored file and ``id`` its id, if the file has ids. For a metric
``m``, ``m`` is its value or null, ``m_unscorable`` says why there is none, and ``m_statistics``
holds the sufficient statistics by name. ``problem`` says what is wrong with a row that was skipped,
and is there only where broken rows are skipped.
"""

from dataclasses import dataclass

from services.metrics import Score, Unscorable
from services.scoring.score_file.row import BrokenRow, FileRow, RowId
from services.scoring.score_file.row_scorer import Scores

UNSCORABLE_SUFFIX = "_unscorable"
STATISTICS_SUFFIX = "_statistics"


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """What came of a row.

    Attributes:
        number: Which row of the scored file it is.
        row_id: Its id, if it has one.
        scores: Its scores; None where it was skipped.
        problem: Why it was skipped; None where it was not.
    """

    number: int
    row_id: RowId | None
    scores: Scores | None
    problem: str | None

    @classmethod
    def scored(cls, row: FileRow, scores: Scores) -> "ScoredRow":
        """A row that has scores."""
        return cls(row.number, row.row_id, scores, None)

    @classmethod
    def skipped(cls, row: BrokenRow) -> "ScoredRow":
        """A row that is broken."""
        return cls(row.number, row.row_id, None, row.problem)


def reason_of(score: Score) -> str | None:
    """Why a score has no value; None where it has one."""
    return score.outcome.reason.value if isinstance(score.outcome, Unscorable) else None
