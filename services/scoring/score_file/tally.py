"""Counts rows and sums their scores up."""

from collections.abc import Iterable

from services.metrics import Aggregate, Aggregation
from services.scoring.score_file.row import BrokenRow
from services.scoring.score_file.row_scorer import ScoredMetric
from services.scoring.score_file.score_columns import ScoredRow

# A file that is wrong from end to end must not fill the memory or the screen.
MAX_KEPT_BROKEN_ROWS = 10


class Tally:
    """What has come of the rows so far.

    Args:
        metrics: What they are scored by.

    Attributes:
        scored_count: Rows that have scores, be they unscorable by some metric.
        skipped_count: Broken rows.
        first_broken: The first few of them.
    """

    def __init__(self, metrics: Iterable[ScoredMetric]) -> None:
        self._aggregations = {metric: Aggregation() for metric in metrics}
        self.scored_count = 0
        self.skipped_count = 0
        self.first_broken: list[BrokenRow] = []

    def add(self, row: ScoredRow) -> None:
        """Takes a row that has scores."""
        assert row.scores is not None
        self.scored_count += 1
        for aggregation, score in zip(self._aggregations.values(), row.scores, strict=True):
            aggregation.add(score)

    def add_broken(self, row: BrokenRow) -> None:
        """Takes a row that is skipped."""
        self.skipped_count += 1
        if len(self.first_broken) < MAX_KEPT_BROKEN_ROWS:
            self.first_broken.append(row)

    def results(self) -> dict[ScoredMetric, Aggregate]:
        """Gives each metric's means and sums; there must be a scored row."""
        return {metric: sums.result() for metric, sums in self._aggregations.items()}
