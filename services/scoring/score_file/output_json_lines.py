"""Writes scores as JSON Lines."""

import json
from collections.abc import Mapping
from pathlib import Path

from services.scoring.score_file.row_scorer import ScoredMetric
from services.scoring.score_file.score_columns import (
    STATISTICS_SUFFIX,
    UNSCORABLE_SUFFIX,
    ScoredRow,
    reason_of,
)


class JsonLinesWriter:
    """Writes one JSON object a row.

    Args:
        path: The file; replaced if it is there.
        metrics: What the rows are scored by.
        with_problems: Whether there may be skipped rows.
    """

    def __init__(
        self, path: Path, metrics: tuple[ScoredMetric, ...], *, with_problems: bool
    ) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._metrics = metrics
        self._with_problems = with_problems

    def add(self, row: ScoredRow) -> None:
        """Writes a row."""
        columns: dict[str, object] = {"row": row.number}
        if row.row_id is not None:
            columns["id"] = row.row_id
        if self._with_problems:
            columns["problem"] = row.problem
        for index, metric in enumerate(self._metrics):
            score = row.scores[index] if row.scores is not None else None
            columns[metric.name] = None if score is None else score.value
            columns[metric.name + UNSCORABLE_SUFFIX] = None if score is None else reason_of(score)
            columns[metric.name + STATISTICS_SUFFIX] = (
                None
                if score is None
                else dict(zip(metric.statistic_names, score.statistics, strict=True))
            )
        self._file.write(json.dumps(columns, ensure_ascii=False, allow_nan=False) + "\n")

    def finish(self, summary: Mapping[str, object]) -> None:
        """Completes the file, in which there is no place for the summary."""
        del summary
        self._file.close()

    def close(self) -> None:
        """Closes the file as it is."""
        self._file.close()
