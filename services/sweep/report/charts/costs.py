"""What the models took: tokens, GPU time and money, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.sweep.progress.costs import ModelCost
from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Block,
    Stack,
    horizontal_axis,
    stacked,
)
from services.sweep.report.charts.labels import fitted, rounded_text
from services.sweep.report.charts.names import names_of
from services.sweep.report.charts.scales import from_zero
from services.sweep.report.charts.svg import WIDTH, Markup, box, datum, element, picture, text
from services.sweep.report.model import Report

_TOP = 30.0
_ROW = 25.0
_BAR = 15.0
_GAP = 28.0
_VALUE = 58.0


@dataclass(frozen=True, slots=True)
class _Costs:
    """One model's costs, each by the name of its panel."""

    name: str
    values: Mapping[str, float]


def costs(report: Report) -> str | None:
    """Draws a panel for each kind of cost, and a bar in it for each model."""
    rows = list(_rows(report))
    panels = list(dict.fromkeys(name for row in rows for name in row.values))
    panels = [name for name in panels if any(row.values.get(name, 0.0) > 0 for row in rows)]
    if not panels:
        return None
    names = names_of([row.name for row in rows])
    stack = stacked([Block("", rows)], _TOP, _ROW)
    width = (WIDTH - names.width - _GAP * (len(panels) - 1)) / len(panels)
    return picture(
        "chart-costs",
        "What the models took",
        f"A bar for each model in {len(panels)} panels: {', '.join(panels)}; the numbers stand "
        f"behind the bars.",
        stack.bottom + AXIS_HEIGHT - 14,
        *(names.row(row.name, y) for row, y in stack.rows),
        *(
            _panel(panel, stack, names.width + place * (width + _GAP), width)
            for place, panel in enumerate(panels)
        ),
    )


def _rows(report: Report) -> Iterator[_Costs]:
    labels = [cost.label for sweep in report.sweeps for cost in sweep.costs]
    for sweep in report.sweeps:
        for cost in sweep.costs:
            if cost.questions:
                is_only = labels.count(cost.label) == 1
                name = cost.label if is_only else f"{cost.label} · {sweep.name}"
                yield _Costs(name, _values(cost, sweep.currency))


def _values(cost: ModelCost, currency: str) -> Mapping[str, float]:
    values = {
        "Tokens read per answer": cost.prompt_tokens / cost.questions,
        "Tokens written per answer": cost.generated_tokens / cost.questions,
        "GPU-s per 1,000 answers": cost.gpu_s / cost.questions * 1000,
    }
    if cost.money_per_thousand is not None:
        values[f"{currency} per 1,000 answers".strip()] = cost.money_per_thousand
    return values


def _panel(panel: str, stack: Stack[_Costs], left: float, width: float) -> Markup:
    across = from_zero(_known(panel, stack.rows), left, left + width - _VALUE)
    parts = [
        text(left, 12, fitted(panel, width, 11), class_="small", whole=panel),
        horizontal_axis(across, _TOP, stack.bottom, most=3),
    ]
    for row, y in stack.rows:
        value = row.values.get(panel)
        if value is None:
            parts.append(text(left + 6, y, "no price", class_="faint"))
            continue
        end, shown = across.at(value), rounded_text(value)
        parts.append(
            datum(
                f"{row.name}: {shown} {panel}",
                box(left, y - _BAR / 2, end - left, _BAR, "bar c1"),
                text(end + 7, y, shown, class_="value"),
            )
        )
    return element("g", *parts)


def _known(panel: str, rows: Sequence[tuple[_Costs, float]]) -> list[float]:
    return [row.values[panel] for row, _ in rows if panel in row.values]
