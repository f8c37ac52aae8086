"""What the scoring of a file comes to: as one JSON object, and as a table for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.metrics import Aggregate
from services.scoring.score_file.row import BrokenRow
from services.scoring.score_file.row_scorer import ScoredMetric

_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """One metric over the rows of a file. Values are as the metric has them: 0-1, or tokens.

    Attributes:
        metric: The metric.
        aggregate: Means, sums and counts.
    """

    metric: ScoredMetric
    aggregate: Aggregate

    def to_json(self) -> dict[str, object]:
        """Writes it for programs."""
        sums = self.aggregate
        unscorable = {reason.value: count for reason, count in sums.unscorable_counts.items()}
        return {
            "mean": sums.mean,
            "precision": sums.precision,
            "recall": sums.recall,
            "corpus_value": sums.corpus_value,
            "scored": sums.scored_count,
            "unscorable": dict(sorted(unscorable.items())),
            "signature": sums.signature,
            "corpus_signature": sums.corpus_signature,
            "statistics": dict(zip(self.metric.statistic_names, sums.statistics, strict=True)),
        }


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What the scoring of a file comes to.

    Attributes:
        file: The file.
        unit: What its row numbers count: ``line`` or ``row``.
        place: Where it was scored.
        scored_count: Rows that have scores.
        skipped_count: Broken rows.
        first_broken: The first few of them.
        metrics: One entry a metric.
        elapsed_s: How long it took.
    """

    file: str
    unit: str
    place: str
    scored_count: int
    skipped_count: int
    first_broken: Sequence[BrokenRow]
    metrics: Sequence[MetricSummary]
    elapsed_s: float

    def to_json(self) -> dict[str, object]:
        """Writes it for programs. Keys are never renamed or removed, but some may be added."""
        return {
            "file": self.file,
            "scored_by": self.place,
            "rows": {
                "read": self.scored_count + self.skipped_count,
                "scored": self.scored_count,
                "skipped": self.skipped_count,
            },
            "skipped_rows": [
                {"row": row.number, "id": row.row_id, "problem": row.problem}
                for row in self.first_broken
            ],
            "metrics": {summary.metric.name: summary.to_json() for summary in self.metrics},
            "elapsed_s": round(self.elapsed_s, 3),
        }

    def to_text(self) -> str:
        """Writes it for people: values times 100, but for those that have no greatest value."""
        rows = [_HEADER, *map(_table_row, self.metrics)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [_aligned(row, widths) for row in rows]
        lines.insert(1, "─" * max(map(len, lines)))
        skipped = f"; {_rows(self.skipped_count)} skipped as broken" if self.skipped_count else ""
        notes = [
            f"{_rows(self.scored_count)} scored by {self.place} in {self.elapsed_s:.1f} s{skipped}",
            "Values times 100, but for length in tokens. Corpus: from the sums over all rows.",
            *self._unscorable_notes(),
        ]
        signatures = ["signatures of the means:"]
        signatures += [f"  {summary.aggregate.signature}" for summary in self.metrics]
        return "\n".join([*lines, "", *notes, "", *signatures])

    def _unscorable_notes(self) -> list[str]:
        """Says why there are rows without a value; metrics that agree share a line."""
        metrics: dict[tuple[str, int], list[str]] = {}
        for summary in self.metrics:
            for reason, count in summary.aggregate.unscorable_counts.items():
                metrics.setdefault((reason.value, count), []).append(summary.metric.name)
        return [
            f"Unscorable, {reason}: {_rows(count)} ({', '.join(names)})"
            for (reason, count), names in sorted(metrics.items())
        ]


_HEADER = ("metric", "mean", "P", "R", "corpus", "rows", "unscorable")


def _table_row(summary: MetricSummary) -> tuple[str, ...]:
    sums, metric = summary.aggregate, summary.metric
    values = (sums.mean, sums.precision, sums.recall, sums.corpus_value)
    return (
        metric.name,
        *(_shown(value, metric) for value in values),
        f"{sums.scored_count:,}",
        f"{sum(sums.unscorable_counts.values()):,}",
    )


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _shown(value: float | None, metric: ScoredMetric) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if math.isinf(metric.max_value) else f"{value * _PERCENT:.2f}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *values = row
    cells = [value.rjust(width) for value, width in zip(values, widths[1:], strict=True)]
    return "  ".join([name.ljust(widths[0]), *cells])
