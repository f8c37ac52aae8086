"""How the metrics go together: a triangle of rank correlations."""

from collections.abc import Iterator

from services.sweep.report.charts.heat import Cell, empty_cell, filled_cell
from services.sweep.report.charts.labels import count_text, metric_name
from services.sweep.report.charts.names import NAMES_LEFT
from services.sweep.report.charts.scales import plain
from services.sweep.report.charts.svg import WIDTH, Markup, picture, text
from services.sweep.report.knowledge.model import Correlations
from services.sweep.report.model import Report
from services.sweep.report.tables.layout import heading

_TOP = 8.0
_ROW = 30.0
_MIN_COLUMN, _MAX_COLUMN = 40.0, 84.0
_NAMES = 262.0


def correlations(report: Report) -> str | None:
    """Draws the rank correlation of each pair of metrics; none where there is no pair."""
    found = report.correlations
    if found is None or len(found.metrics) < 2:  # noqa: PLR2004 - a pair
        return None
    rows = len(found.metrics) - 1
    column = min(max((WIDTH - _NAMES - 10) / rows, _MIN_COLUMN), _MAX_COLUMN)
    bottom = _TOP + rows * _ROW
    return picture(
        "chart-correlations",
        "Rank correlations of the metrics",
        f"Spearman's rank correlation of each two of {len(found.metrics)} metrics over "
        f"{count_text(found.answers, 'answer')}, as a triangle of numbers.",
        bottom + 36,
        *_cells(found, column),
        *(
            text(NAMES_LEFT, _TOP + place * _ROW + _ROW / 2 - 1, metric_name(metric))
            for place, metric in enumerate(found.metrics[1:])
        ),
        *(
            text(
                _NAMES + (place + 0.5) * column - 1,
                bottom + 12 + 14 * number,
                words,
                class_="small",
                anchor="middle",
                whole=metric_name(metric),
            )
            for place, metric in enumerate(found.metrics[:-1])
            for number, words in enumerate((heading(metric).top, heading(metric).bottom))
        ),
    )


def _cells(found: Correlations, column: float) -> Iterator[Markup]:
    for row, lower in enumerate(found.metrics[1:], start=1):
        for place, upper in enumerate(found.metrics[:row]):
            cell = Cell(_NAMES + place * column, _TOP + (row - 1) * _ROW, column, _ROW)
            value = found.values[row][place]
            names = f"{metric_name(lower)} and {metric_name(upper)}"
            if value is None:
                yield empty_cell(cell, f"{names}: one of them never varies")
            else:
                shown = plain(value, 2)
                yield filled_cell(cell, value, shown, f"{names}: {shown}")
