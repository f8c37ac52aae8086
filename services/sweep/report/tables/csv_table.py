"""A report as CSV: the leaderboard, the comparisons and gaps, and the entities."""

import csv
import io
from collections.abc import Iterable, Sequence

from services.sweep.leaderboard.standings import reported
from services.sweep.report.model import (
    Contrast,
    Gap,
    GapKind,
    MetricResult,
    Report,
    Row,
)
from services.sweep.report.tables.facts import reported_bounds, row_facts
from services.sweep.spec.controls import Control

_Cell = str | int | float | None

_METRIC_COLUMNS = ("", "_low", "_high", "_micro", "_scored")

_GAP_ENDS = {
    GapKind.TITLE: ("with_title", "without_title"),
    GapKind.SEEN: ("seen", "unseen"),
    GapKind.WRONG_IMAGE: (Control.NONE.value, Control.WRONG_IMAGE.value),
    GapKind.NO_IMAGE: (Control.NONE.value, Control.NO_IMAGE.value),
}


def leaderboard_csv(report: Report) -> str:
    """A line for each contender, setting and part; shares are times 100.

    For each metric there are the macro mean, the bounds of its interval, the value from summed
    statistics, and the questions that the mean is over.
    """
    header = list(row_facts(report.rows[0], report)) if report.rows else []
    header += [f"{metric}{column}" for metric in report.metrics for column in _METRIC_COLUMNS]
    return _written(header, (_row(row, report) for row in report.rows))


def comparisons_csv(report: Report) -> str:
    """A line for each pair of contenders or gap, metric, setting and part; shares times 100.

    ``kind`` is ``model`` for two contenders; otherwise it says which two ways of asking the
    contender named by ``model`` are compared. Differences are ``first - second``.
    """
    header = ["kind", "model", "first", "second", "metric", "setting", "part"]
    header += ["difference", "low", "high", "p", "p_corrected", "questions", "artworks"]
    return _written(header, _contrast_lines(report))


def entities_csv(report: Report) -> str:
    """A line for each of the entities of the report's lists and each contender.

    ``asked`` and ``found`` count answers to questions whose reference has the entity, ``repeats``
    how often it is named beyond what the reference does.
    """
    header = ["entity", "model", "asked", "found", "repeats"]
    known = report.entities
    entities = () if known is None else (
        *known.most_asked, *known.most_missed, *known.most_repeated, *known.most_known
    )  # fmt: skip
    standings = {standing.entity: standing for standing in entities}
    return _written(
        header,
        (
            [standing.entity, contender.label, asked, found, repeats]
            for standing in standings.values()
            for contender, asked, found, repeats in zip(
                report.contenders, standing.asked, standing.found, standing.repeats, strict=True
            )
        ),
    )


def _written(header: Sequence[str], lines: Iterable[Sequence[_Cell]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()


def _row(row: Row, report: Report) -> list[_Cell]:
    cells: list[_Cell] = list(row_facts(row, report).values())
    for metric in report.metrics:
        cells += _metric_cells(metric, row.metrics.get(metric))
    return cells


def _metric_cells(metric: str, result: MetricResult | None) -> list[_Cell]:
    if result is None:
        return [None, None, None, None, 0]
    return [
        reported(metric, result.macro.value),
        *reported_bounds(metric, result.macro.interval),
        None if result.micro is None else reported(metric, result.micro.value),
        result.macro.questions,
    ]


def _contrast_lines(report: Report) -> Iterable[list[_Cell]]:
    for one in report.comparisons:
        first, second = (report.contenders[place].label for place in (one.first, one.second))
        names = ["model", None, first, second, one.metric, one.setting.value, one.part]
        yield [*names, *_contrast_cells(one.metric, one.contrast)]
    for gap in report.gaps:
        yield [*_gap_names(gap, report), *_contrast_cells(gap.metric, gap.contrast)]


def _gap_names(gap: Gap, report: Report) -> list[_Cell]:
    setting = None if gap.setting is None else gap.setting.value
    label = report.contenders[gap.contender].label
    return [gap.kind.value, label, *_GAP_ENDS[gap.kind], gap.metric, setting, gap.part]


def _contrast_cells(metric: str, contrast: Contrast) -> list[_Cell]:
    return [
        reported(metric, contrast.difference),
        *reported_bounds(metric, contrast.interval),
        contrast.p,
        contrast.p_corrected,
        contrast.questions,
        contrast.artworks,
    ]
