"""Two values a row and their difference: how a contender changes with how it is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Block,
    Entry,
    Stack,
    block_heading,
    horizontal_axis,
    legend,
    stacked,
)
from services.sweep.report.charts.labels import (
    contrast_text,
    metric_axis,
    metric_name,
    on_scale,
    value_text,
)
from services.sweep.report.charts.marks import PLAIN, Style, bond, marker, whisker
from services.sweep.report.charts.names import names_of
from services.sweep.report.charts.scales import Scale, spanning
from services.sweep.report.charts.svg import WIDTH, Markup, datum, element, line, picture, text
from services.sweep.report.model import Contrast
from services.sweep.report.tables.best import is_significant
from services.sweep.report.tables.layout import shown_p

_TOP = 34.0
_VALUES_WIDTH = 146.0
_GAP = 26.0
_SHARE_OF_VALUES = 0.56
_NEAR = 4.0


@dataclass(frozen=True, slots=True)
class Pair:
    """One row.

    Attributes:
        name: Whose values these are.
        style: How they are drawn.
        first: The value that is drawn as a filled mark, as the metric gives it.
        second: The one drawn as a hollow mark.
        gap: First minus second.
    """

    name: str
    style: Style
    first: float | None
    second: float | None
    gap: Contrast | None

    @property
    def has_something(self) -> bool:
        """Whether there is a difference, or both of what it is between."""
        has_gap = self.gap is not None and self.gap.difference is not None
        return has_gap or None not in (self.first, self.second)


@dataclass(frozen=True, slots=True)
class Wording:
    """What a chart of pairs is called.

    Attributes:
        name: Names its picture in the page.
        title: What it shows, after the metric's name.
        first: What the filled marks are.
        second: What the hollow ones are.
        difference: Title of the axis of differences.
    """

    name: str
    title: str
    first: str
    second: str
    difference: str


def dumbbell(metric: str, wording: Wording, blocks: Sequence[Block[Pair]]) -> str | None:
    """Draws values to the left and differences with their intervals to the right.

    Blocks without rows are left out; none where there is no row at all.
    """
    blocks = [block for block in blocks if block.rows]
    pairs = [pair for block in blocks for pair in block.rows]
    if not pairs:
        return None
    key, height = legend(_entries(wording), 0.0, 0.0)
    stack = stacked(blocks, _TOP + height)
    names = names_of([pair.name for pair in pairs])
    values, gaps = _scales(metric, pairs, names.width)
    top = stack.headings[0][1] + 14 if stack.headings else _TOP + height
    title = f"{metric_name(metric)}: {wording.title}"
    return picture(
        f"chart-{wording.name}-{metric}",
        title,
        f"{title}. A row has both values and, to the right, their difference with its 95 % "
        f"interval; the numbers stand beside it.",
        stack.bottom + AXIS_HEIGHT,
        key,
        text(values.start, _TOP + height - 15, "Means", class_="strong"),
        text(gaps.start, _TOP + height - 15, "Difference", class_="strong"),
        horizontal_axis(values, top, stack.bottom, metric_axis(metric)),
        horizontal_axis(gaps, top, stack.bottom, wording.difference),
        *(block_heading(heading, y) for heading, y in stack.headings),
        *(names.row(pair.name, y) for pair, y in stack.rows),
        *_drawn(metric, wording, stack, values, gaps),
    )


def _entries(wording: Wording) -> list[Entry]:
    return [
        Entry(marker(PLAIN, 0, 0), wording.first),
        Entry(marker(PLAIN, 0, 0, is_hollow=True), wording.second),
        Entry(
            element("g", whisker(PLAIN, (-13, 13), 0, 0), marker(PLAIN, 0, 0)),
            "difference, p < 0.05",
        ),
        Entry(
            element(
                "g",
                whisker(PLAIN, (-13, 13), 0, 0, is_hollow=True),
                marker(PLAIN, 0, 0, is_hollow=True),
            ),
            "difference, not significant",
        ),
    ]


def _scales(metric: str, pairs: Sequence[Pair], left: float) -> tuple[Scale, Scale]:
    room = WIDTH - left - _GAP - _VALUES_WIDTH
    middle = left + room * _SHARE_OF_VALUES
    ends = [value for pair in pairs for value in (pair.first, pair.second) if value is not None]
    differences = [0.0, *(value for pair in pairs for value in _extent(pair.gap))]
    return (
        spanning([on_scale(metric, value) for value in ends], left, middle),
        spanning(
            [on_scale(metric, value) for value in differences],
            middle + _GAP,
            WIDTH - _VALUES_WIDTH,
            is_signed=True,
        ),
    )


def _extent(gap: Contrast | None) -> Iterator[float]:
    if gap is not None and gap.difference is not None:
        yield gap.difference
        if gap.interval is not None:
            yield gap.interval.low
            yield gap.interval.high


def _drawn(
    metric: str, wording: Wording, stack: Stack[Pair], values: Scale, gaps: Scale
) -> Iterator[Markup]:
    for pair, y in stack.rows:
        yield line(values.start, y, values.end, y, "guide")
        yield line(gaps.start, y, gaps.end, y, "guide")
        yield _ends(metric, wording, pair, values, y)
        yield _difference(metric, pair, gaps, y)


def _ends(metric: str, wording: Wording, pair: Pair, scale: Scale, y: float) -> Markup:
    first, second = (
        None if value is None else scale.at(on_scale(metric, value))
        for value in (pair.first, pair.second)
    )
    parts = []
    if first is not None and second is not None:
        parts.append(bond(pair.style, first, second, y))
    if first is not None:
        parts.append(marker(pair.style, first, y))
    if second is not None:
        is_near = first is not None and abs(first - second) < _NEAR
        parts.append(marker(pair.style, second, y, is_hollow=True, is_large=is_near))
    return datum(
        f"{pair.name}: {wording.first} {value_text(metric, pair.first)}, "
        f"{wording.second} {value_text(metric, pair.second)}",
        *parts,
    )


def _difference(metric: str, pair: Pair, scale: Scale, y: float) -> Markup:
    gap = pair.gap
    if gap is None or gap.difference is None:
        return text(scale.end + 12, y, "no value", class_="faint")
    x = scale.at(on_scale(metric, gap.difference))
    shown = contrast_text(metric, gap)
    is_hollow = not is_significant(gap)
    parts = []
    if gap.interval is not None:
        low, high = (
            scale.at(on_scale(metric, end)) for end in (gap.interval.low, gap.interval.high)
        )
        parts.append(whisker(pair.style, (low, high), x, y, is_hollow=is_hollow))
    parts.append(marker(pair.style, x, y, is_hollow=is_hollow))
    parts.append(text(scale.end + 12, y, shown, class_="value"))
    return datum(f"{pair.name}: {shown}; corrected p {shown_p(gap.p_corrected)}", *parts)
