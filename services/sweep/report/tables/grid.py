"""The tables of a report that people read, before Markdown, LaTeX or a terminal shapes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.benchmark.records import Setting
from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.model import Contrast, GapKind, Report, Row
from services.sweep.report.tables.best import best_rows, is_significant
from services.sweep.report.tables.layout import (
    NOTHING,
    SHORT_SETTING_NAMES,
    shown,
    shown_bounds,
    shown_difference,
    shown_spread,
)

COUNTS = (("n", "scored"), ("uns", "unscorable"), ("fail", "failed"), ("cut", "truncated"))
"""Counts of answers: their headings, and what of :class:`Counts` they are."""

GAP_NAMES = {
    GapKind.TITLE: "With minus Without Title",
    GapKind.SEEN: "seen minus unseen",
    GapKind.WRONG_IMAGE: "own minus wrong picture",
    GapKind.NO_IMAGE: "own minus no picture",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric's number in a table.

    Attributes:
        value: The number, or a dash.
        bounds: Its interval as ``[low, high]``; may be empty.
        spread: Half the interval's width as ``±…``; may be empty.
        is_best: Whether it is the best of those that compete.
        is_close: Whether it is the best, and its lead over the next is not significant.
        is_significant: Whether it is a difference, and significant.
    """

    value: str
    bounds: str = ""
    spread: str = ""
    is_best: bool = False
    is_close: bool = False
    is_significant: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table.

    Attributes:
        names: What it is about.
        counts: Counts of answers or questions.
        cells: A cell a metric.
        is_whole: Whether it is over all parts of the test.
    """

    names: tuple[str, ...]
    counts: tuple[str, ...]
    cells: tuple[Cell, ...]
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes:
        title: Names it.
        names: Headings of the columns that say what a line is about.
        counts: Headings of the columns of counts.
        metrics: Names of the metrics, a column each.
        lines: Its lines.
    """

    title: str
    names: tuple[str, ...]
    counts: tuple[str, ...]
    metrics: tuple[str, ...]
    lines: tuple[Line, ...]


def leaderboard_grid(
    report: Report, *, part: str | None = None, setting: Setting | None = None
) -> Grid:
    """A line for each contender, setting and part.

    Args:
        report: The report.
        part: The only part to show; by default all of them.
        setting: The only setting to show; by default both.
    """
    best = best_rows(report)
    return Grid(
        title="Leaderboard",
        names=("model", "title", "part"),
        counts=tuple(heading for heading, _ in COUNTS),
        metrics=report.metrics,
        lines=tuple(
            Line(
                names=_names(row, report),
                counts=tuple(str(getattr(row.counts, name)) for _, name in COUNTS),
                cells=tuple(
                    _value_cell(row, metric, best.get((place, metric))) for metric in report.metrics
                ),
                is_whole=row.part == ALL_PARTS,
            )
            for place, row in enumerate(report.rows)
            if part in {None, row.part} and setting in {None, row.setting}
        ),
    )


def micro_grid(report: Report) -> Grid:
    """The values from summed statistics, as far as the report has them."""
    metrics = tuple(
        metric
        for metric in report.metrics
        if any(
            result.micro is not None
            for row in report.rows
            if (result := row.metrics.get(metric)) is not None
        )
    )
    rows = report.rows if metrics else ()
    return Grid(
        title="Values from summed statistics",
        names=("model", "title", "part"),
        counts=(),
        metrics=metrics,
        lines=tuple(
            Line(
                names=_names(row, report),
                counts=(),
                cells=tuple(_micro_cell(row, metric) for metric in metrics),
                is_whole=row.part == ALL_PARTS,
            )
            for row in rows
        ),
    )


def published_grid(
    report: Report, metrics: Sequence[str] | None = None, setting: Setting | None = None
) -> Grid:
    """The rows from papers.

    Args:
        report: The report.
        metrics: The metrics to show; by default those of the rows, the report's own ones first.
        setting: The only setting to show; by default both.
    """
    if metrics is None:
        own = [name for name in report.metrics if any(name in r.values for r in report.published)]
        others = [name for row in report.published for name in row.values]
        metrics = tuple(dict.fromkeys([*own, *others]))
    return Grid(
        title="Published results",
        names=("model", "title"),
        counts=(),
        metrics=tuple(metrics),
        lines=tuple(
            Line(
                names=(row.model, SHORT_SETTING_NAMES[row.setting]),
                counts=(),
                cells=tuple(Cell(shown(metric, row.values.get(metric))) for metric in metrics),
            )
            for row in report.published
            if setting in {None, row.setting}
        ),
    )


def differences_grid(report: Report) -> Grid:
    """The differences between contenders over all parts, a line for each pair and setting."""
    pairs: dict[tuple[int, int, str], dict[str, Contrast]] = {}
    for one in report.comparisons:
        if one.part == ALL_PARTS:
            key = (one.first, one.second, SHORT_SETTING_NAMES[one.setting])
            pairs.setdefault(key, {})[one.metric] = one.contrast
    return Grid(
        title="Differences between models",
        names=("first", "second", "title"),
        counts=("n",),
        metrics=report.metrics,
        lines=tuple(
            _contrast_line(
                (report.contenders[first].label, report.contenders[second].label, setting),
                contrasts,
                report.metrics,
            )
            for (first, second, setting), contrasts in pairs.items()
        ),
    )


def gaps_grid(report: Report) -> Grid:
    """How metrics change with how a contender is asked, over all parts of the test."""
    gaps: dict[tuple[GapKind, int, str], dict[str, Contrast]] = {}
    for gap in report.gaps:
        if gap.part == ALL_PARTS:
            setting = NOTHING if gap.setting is None else SHORT_SETTING_NAMES[gap.setting]
            gaps.setdefault((gap.kind, gap.contender, setting), {})[gap.metric] = gap.contrast
    order = list(GapKind)
    return Grid(
        title="Gaps",
        names=("gap", "model", "title"),
        counts=("n",),
        metrics=report.metrics,
        lines=tuple(
            _contrast_line(
                (GAP_NAMES[kind], report.contenders[contender].label, setting),
                contrasts,
                report.metrics,
            )
            for (kind, contender, setting), contrasts in sorted(
                gaps.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
            )
        ),
    )


def _names(row: Row, report: Report) -> tuple[str, str, str]:
    return report.contenders[row.contender].label, SHORT_SETTING_NAMES[row.setting], row.part


def _micro_cell(row: Row, metric: str) -> Cell:
    result = row.metrics.get(metric)
    if result is None or result.micro is None or result.micro.value is None:
        return Cell(NOTHING)
    return Cell(
        value=shown(metric, result.micro.value),
        bounds=shown_bounds(metric, result.micro.interval),
        spread=shown_spread(metric, result.micro.interval),
    )


def _value_cell(row: Row, metric: str, is_sure: bool | None) -> Cell:
    result = row.metrics.get(metric)
    if result is None or result.macro.value is None:
        return Cell(NOTHING)
    return Cell(
        value=shown(metric, result.macro.value),
        bounds=shown_bounds(metric, result.macro.interval),
        spread=shown_spread(metric, result.macro.interval),
        is_best=is_sure is not None,
        is_close=is_sure is False,
    )


def _contrast_line(
    names: tuple[str, ...], contrasts: dict[str, Contrast], metrics: Sequence[str]
) -> Line:
    questions = max((contrast.questions for contrast in contrasts.values()), default=0)
    return Line(
        names=names,
        counts=(str(questions),),
        cells=tuple(_contrast_cell(contrasts.get(metric), metric) for metric in metrics),
    )


def _contrast_cell(contrast: Contrast | None, metric: str) -> Cell:
    if contrast is None or contrast.difference is None:
        return Cell(NOTHING)
    return Cell(
        value=shown_difference(metric, contrast.difference),
        bounds=shown_bounds(metric, contrast.interval),
        spread=shown_spread(metric, contrast.interval),
        is_significant=is_significant(contrast),
    )
