"""The forest plot: a metric's means with their intervals, for each contender, setting and part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.benchmark.records import Setting
from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Block,
    Stack,
    block_heading,
    horizontal_axis,
    stacked,
)
from services.sweep.report.charts.labels import (
    SETTINGS,
    count_text,
    estimate_text,
    metric_axis,
    metric_name,
    on_scale,
    part_name,
    part_order,
)
from services.sweep.report.charts.marks import PUBLISHED, Style, marker, style_of, whisker
from services.sweep.report.charts.names import names_of
from services.sweep.report.charts.scales import Scale, spanning
from services.sweep.report.charts.svg import WIDTH, Markup, datum, element, line, picture, text
from services.sweep.report.model import Estimate, Report

_TOP = 26.0
_TOP_WITH_NUMBERS = 44.0
_VALUES_WIDTH = 132.0
_GAP = 18.0
# Beyond this the numbers of the axis are out of sight from the first rows.
_TALL = 520.0


@dataclass(frozen=True, slots=True)
class _Line:
    """One contender, or one row of a paper, in one part of the test."""

    name: str
    style: Style
    estimates: Mapping[Setting, Estimate]
    source: str = ""


def forest(report: Report, metric: str) -> str | None:
    """Draws one metric's forest plot; none where it has no value at all."""
    blocks = [Block(part_name(part), rows) for part, rows in _by_part(report, metric)]
    if not blocks:
        return None
    published = list(_published(report, metric))
    if published:
        blocks.append(Block("Published, not computed here", published))
    lines = [one for block in blocks for one in block.rows]
    settings = [one for one in Setting if any(one in row.estimates for row in lines)]
    stack = stacked(blocks, _TOP)
    if stack.bottom > _TALL:
        stack = stacked(blocks, _TOP_WITH_NUMBERS)
    names = names_of([one.name for one in lines])
    scales = _scales(metric, lines, names.width, len(settings))
    panels = [
        _panel(metric, setting, scale, stack)
        for setting, scale in zip(settings, scales, strict=True)
    ]
    name = metric_name(metric)
    return picture(
        f"chart-forest-{metric}",
        f"{name}: means with 95 % intervals",
        f"{name} of {count_text(len(report.contenders), 'contender')}, a row each, in "
        f"{' and '.join(SETTINGS[one] for one in settings)}; the numbers stand beside the marks.",
        stack.bottom + AXIS_HEIGHT,
        *(block_heading(heading, y) for heading, y in stack.headings),
        *(names.row(row.name, y) for row, y in stack.rows),
        *panels,
    )


def _by_part(report: Report, metric: str) -> Iterator[tuple[str, Sequence[_Line]]]:
    for part in sorted({row.part for row in report.rows}, key=part_order):
        lines = []
        for place, contender in enumerate(report.contenders):
            estimates = {
                row.setting: row.metrics[metric].macro
                for row in report.rows
                if row.contender == place and row.part == part and metric in row.metrics
            }
            if any(one.value is not None for one in estimates.values()):
                lines.append(_Line(contender.label, style_of(place), estimates))
        if lines:
            yield part, lines


def _published(report: Report, metric: str) -> Iterator[_Line]:
    found: dict[tuple[str, str, str], dict[Setting, Estimate]] = {}
    for row in report.published:
        if metric in row.values:
            estimate = Estimate(row.values[metric], None, 0, 0)
            found.setdefault((row.model, row.source, row.sample), {})[row.setting] = estimate
    for (model, source, sample), estimates in found.items():
        yield _Line(model, PUBLISHED, estimates, f"{source}; {sample}")


def _scales(metric: str, lines: Sequence[_Line], left: float, count: int) -> list[Scale]:
    """One scale for each panel, over the same values, so that they can be compared."""
    values = [
        on_scale(metric, value)
        for one in lines
        for estimate in one.estimates.values()
        for value in _extent(estimate)
    ]
    width = (WIDTH - left - _GAP * (count - 1)) / count
    starts = [left + place * (width + _GAP) for place in range(count)]
    return [spanning(values, start, start + width - _VALUES_WIDTH) for start in starts]


def _extent(estimate: Estimate) -> Iterator[float]:
    if estimate.value is not None:
        yield estimate.value
        if estimate.interval is not None:
            yield estimate.interval.low
            yield estimate.interval.high


def _panel(metric: str, setting: Setting, scale: Scale, stack: Stack[_Line]) -> Markup:
    top = stack.headings[0][1] + 14
    is_tall = stack.bottom > _TALL
    parts = [
        text(scale.start, 12, SETTINGS[setting], class_="strong"),
        horizontal_axis(
            scale, _TOP_WITH_NUMBERS if is_tall else top, stack.bottom, metric_axis(metric),
            has_top_labels=is_tall,
        ),
    ]  # fmt: skip
    for row, y in stack.rows:
        parts.append(line(scale.start, y, scale.end, y, "guide"))
        parts.append(_mark(metric, setting, scale, row, y))
    return element("g", *parts)


def _mark(metric: str, setting: Setting, scale: Scale, row: _Line, y: float) -> Markup:
    estimate = row.estimates.get(setting)
    if estimate is None or estimate.value is None:
        return text(scale.end + 12, y, "no value", class_="faint")
    x = scale.at(on_scale(metric, estimate.value))
    shown = estimate_text(metric, estimate)
    about = row.source or (
        f"{count_text(estimate.questions, 'question')} on "
        f"{count_text(estimate.artworks, 'artwork')}"
    )
    parts = []
    if estimate.interval is not None:
        low, high = (
            scale.at(on_scale(metric, end))
            for end in (estimate.interval.low, estimate.interval.high)
        )
        parts.append(whisker(row.style, (low, high), x, y))
    parts.append(marker(row.style, x, y, is_hollow=bool(row.source)))
    parts.append(text(scale.end + 12, y, shown, class_="value"))
    return datum(f"{row.name}, {SETTINGS[setting]}: {shown}; {about}", *parts)
