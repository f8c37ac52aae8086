"""Cells of a heat map: a number on a colour that deepens with it."""

from typing import NamedTuple

from services.sweep.report.charts.svg import Markup, box, datum, text

_GAP = 2.0
# Cells of the value 0 are still cells; a number stays readable on the deepest.
_FAINTEST, _DEEPEST = 0.05, 0.62


class Cell(NamedTuple):
    """Where a cell is, from its upper left corner on, with the gap to the next."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of what is coloured."""
        return self.x + (self.width - _GAP) / 2, self.y + (self.height - _GAP) / 2


def filled_cell(cell: Cell, value: float, shown: str, title: str) -> Markup:
    """Draws a cell.

    Args:
        cell: Where it is.
        value: How deep its colour is: -1 to 1, with two colours for the two signs.
        shown: Its number; may be empty.
        title: What it is about.
    """
    class_ = "heat negative" if value < 0 else "heat positive"
    opacity = _FAINTEST + (_DEEPEST - _FAINTEST) * min(abs(value), 1.0)
    return datum(
        title,
        box(cell.x, cell.y, cell.width - _GAP, cell.height - _GAP, class_, opacity=opacity),
        text(*cell.middle, shown, class_="value", anchor="middle"),
    )


def empty_cell(cell: Cell, title: str) -> Markup:
    """Draws a cell of which nothing is known."""
    return datum(
        title,
        box(cell.x + 0.5, cell.y + 0.5, cell.width - _GAP - 1, cell.height - _GAP - 1, "no-heat"),
        text(*cell.middle, "\N{EN DASH}", class_="faint", anchor="middle"),
    )
