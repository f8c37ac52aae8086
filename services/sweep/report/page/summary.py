"""What the head of the page says in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.model import Report
from services.sweep.report.page.metric_words import MetricWords, metric_words
from services.sweep.spec.controls import Control


@dataclass(frozen=True, slots=True)
class Summary:
    """What a report is about.

    Attributes:
        contenders: How many compete: they were shown the right pictures.
        controls: The others, which were shown other pictures or none.
        settings: In how many settings questions were asked.
        artworks: Artworks that the questions are about.
        questions: Questions of the row that has most.
        planned: Answers in all.
        scored: Answers with scores.
        failed: Answers that failed.
        pending: Answers that are not there yet.
        metrics: How the page speaks of the metrics.
        failures: Failed answers by reason, most first.
    """

    contenders: int
    controls: int
    settings: int
    artworks: int
    questions: int
    planned: int
    scored: int
    failed: int
    pending: int
    metrics: Mapping[str, MetricWords]
    failures: Mapping[str, int]


def summary_of(report: Report) -> Summary:
    """Adds up the counts of a report."""
    rows = [row for row in report.rows if row.part == ALL_PARTS]
    competing = sum(contender.control is Control.NONE for contender in report.contenders)
    failures: dict[str, int] = {}
    for sweep in report.sweeps:
        for reason, count in sweep.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    return Summary(
        contenders=competing,
        controls=len(report.contenders) - competing,
        settings=len({row.setting for row in rows}),
        artworks=report.resampling.artworks,
        questions=max((row.counts.questions for row in rows), default=0),
        planned=sum(row.counts.planned for row in rows),
        scored=sum(row.counts.scored for row in rows),
        failed=sum(row.counts.failed for row in rows),
        pending=sum(row.counts.pending for row in rows),
        metrics={name: metric_words(name) for name in report.metrics},
        failures=dict(sorted(failures.items(), key=lambda item: -item[1])),
    )
