"""Axes, legends, and rows of names: what charts have in common beside their marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.sweep.report.charts.labels import fitted, text_width
from services.sweep.report.charts.names import NAMES_LEFT
from services.sweep.report.charts.scales import Scale
from services.sweep.report.charts.svg import WIDTH, Markup, element, line, text

AXIS_HEIGHT = 40.0
"""Room under a horizontal axis for its numbers and its title."""

_LABEL_GAP = 12.0
_TITLE_GAP = 30.0
_LONGEST = 240.0
_LEGEND_ROW = 20.0
_LEGEND_GAP = 22.0

T = TypeVar("T")


def horizontal_axis(
    scale: Scale,
    top: float,
    bottom: float,
    title: str = "",
    *,
    has_labels: bool = True,
    has_top_labels: bool = False,
    most: int | None = None,
) -> Markup:
    """Draws grid lines, their numbers and a title under them.

    Args:
        scale: The scale.
        top: Where the grid lines begin.
        bottom: Where they end.
        title: What the numbers are.
        has_labels: Whether there are numbers.
        has_top_labels: Whether the numbers stand over the lines too: for tall charts.
        most: The most numbers there may be.
    """
    parts = []
    for tick in scale.ticks(most):
        x = scale.at(tick.value)
        zero = tick.value == 0 and scale.low < 0
        parts.append(line(x, top, x, bottom, "zero" if zero else "grid"))
        if has_labels:
            parts.append(text(x, bottom + _LABEL_GAP, tick.label, class_="tick", anchor="middle"))
        if has_top_labels:
            parts.append(text(x, top - _LABEL_GAP, tick.label, class_="tick", anchor="middle"))
    parts.append(line(scale.start, bottom, scale.end, bottom, "axis"))
    if title:
        middle = (scale.start + scale.end) / 2
        parts.append(text(middle, bottom + _TITLE_GAP, title, class_="small", anchor="middle"))
    return element("g", *parts, aria_hidden="true")


def vertical_axis(
    scale: Scale, left: float, right: float, title: str = "", *, has_labels: bool = True
) -> Markup:
    """Draws grid lines across, their numbers to the left, and a title over these."""
    parts = []
    for tick in scale.ticks():
        y = scale.at(tick.value)
        parts.append(line(left, y, right, y, "grid"))
        if has_labels:
            parts.append(text(left - 8, y, tick.label, class_="tick", anchor="end"))
    parts.append(line(left, scale.start, left, scale.end, "axis"))
    if title:
        parts.append(text(NAMES_LEFT, scale.end - 18, title, class_="small"))
    return element("g", *parts, aria_hidden="true")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a legend: a sign drawn around (0, 0), at most 14 to each side, and its words."""

    sign: Markup
    words: str


def legend(entries: Sequence[Entry], left: float, top: float) -> tuple[Markup, float]:
    """Writes a legend in as many lines as it takes; returns it and its height."""
    x, y, parts = left, top + _LEGEND_ROW / 2, []
    for entry in entries:
        words = fitted(entry.words, _LONGEST)
        width = 36 + text_width(words) + _LEGEND_GAP
        if x > left and x + width > WIDTH:
            x, y = left, y + _LEGEND_ROW
        parts.append(element("g", entry.sign, transform=f"translate({x + 14:.2f} {y:.2f})"))
        parts.append(text(x + 34, y, words, whole=entry.words))
        x += width
    return element("g", *parts, class_="legend"), y + _LEGEND_ROW / 2 - top


@dataclass(frozen=True, slots=True)
class Block(Generic[T]):
    """Rows under one heading, which may be empty."""

    heading: str
    rows: Sequence[T]


@dataclass(frozen=True, slots=True)
class Stack(Generic[T]):
    """Blocks put under each other.

    Attributes:
        headings: The headings with the middles of their lines.
        rows: The rows with their middles.
        bottom: Where the last one ends.
    """

    headings: Sequence[tuple[str, float]]
    rows: Sequence[tuple[T, float]]
    bottom: float


def stacked(blocks: Sequence[Block[T]], top: float, row_height: float = 21.0) -> Stack[T]:
    """Puts blocks under each other, each heading over its rows."""
    y = top
    headings: list[tuple[str, float]] = []
    rows: list[tuple[T, float]] = []
    for block in blocks:
        if block.heading:
            y += 4 if headings else 0
            headings.append((block.heading, y + 12))
            y += 24
        for row in block.rows:
            rows.append((row, y + row_height / 2))
            y += row_height
    return Stack(headings, rows, y + 4)


def block_heading(heading: str, y: float) -> Markup:
    """Writes the heading of a block of rows."""
    return text(NAMES_LEFT, y, heading, class_="strong")
