"""Which entities the contenders know: a heat map of those asked for most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.sweep.report.charts.heat import Cell, empty_cell, filled_cell
from services.sweep.report.charts.labels import count_text, percent_text, text_width
from services.sweep.report.charts.names import Names, fitted_apart, names_of
from services.sweep.report.charts.svg import WIDTH, Markup, picture, text
from services.sweep.report.knowledge.model import EntityStanding
from services.sweep.report.model import Report

_ROW = 24.0
_MAX_COLUMN = 120.0
# Narrower cells have no numbers, but their colours.
_ROOM_FOR_NUMBERS = 23.0
_ASKED = 60.0
_MOST = 25
_TURN = -55.0
# Height and overhang of a name that is turned, as shares of its length.
_RISE, _RUN = 0.82, 0.57
_LONGEST_TURNED = 190.0


@dataclass(frozen=True, slots=True)
class _Column:
    """One contender's column: its place in the report, and the left edge."""

    place: int
    label: str
    left: float


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where everything is."""

    names: Names
    columns: Sequence[_Column]
    width: float
    is_turned: bool

    @property
    def top(self) -> float:
        """Where the first row begins: under the names of the contenders."""
        return (
            30.0 + _RISE * _longest([column.label for column in self.columns])
            if self.is_turned
            else 30.0
        )


def entities(report: Report) -> str | None:
    """Draws the share of each contender's answers that name an entity they are asked for."""
    if report.entities is None:
        return None
    shown = report.entities.most_asked[:_MOST]
    places = [place for place in range(len(report.contenders)) if _is_asked(place, shown)]
    if not places:
        return None
    grid = _grid(report, shown, places)
    return picture(
        "chart-entities",
        "Which of the entities asked for most the contenders name",
        f"A row for each of {count_text(len(shown), 'name')}, a column for each of "
        f"{count_text(len(places), 'contender')}; a cell has the share of its answers to questions "
        f"about the entity that name it.",
        grid.top + len(shown) * _ROW + 8,
        text(
            grid.names.width + _ASKED - 14, grid.top - 12, "answers", class_="small", anchor="end"
        ),
        *_headings(grid),
        *_rows(shown, grid),
    )


def _is_asked(place: int, shown: Sequence[EntityStanding]) -> bool:
    return any(one.asked[place] for one in shown if place < len(one.asked))


def _grid(report: Report, shown: Sequence[EntityStanding], places: Sequence[int]) -> _Grid:
    names = names_of([one.entity for one in shown])
    labels = [report.contenders[place].label for place in places]
    room = WIDTH - names.width - _ASKED
    width = min(room / len(places), _MAX_COLUMN)
    is_turned = any(text_width(label) > width - 8 for label in labels)
    if is_turned:
        # The last name leans over the right edge.
        overhang = _RUN * _longest(labels)
        width = min((room - overhang) / len(places), _MAX_COLUMN)
    columns = [
        _Column(place, label, names.width + _ASKED + order * width)
        for order, (place, label) in enumerate(zip(places, labels, strict=True))
    ]
    return _Grid(names, columns, width, is_turned)


def _longest(labels: Sequence[str]) -> float:
    return min(max(map(text_width, labels)), _LONGEST_TURNED)


def _headings(grid: _Grid) -> Iterator[Markup]:
    short = fitted_apart([column.label for column in grid.columns], _LONGEST_TURNED)
    for column in grid.columns:
        middle, label = column.left + grid.width / 2 - 1, column.label
        if grid.is_turned:
            yield text(middle, grid.top - 9, short[label], whole=label, turned=_TURN)
        else:
            yield text(middle, grid.top - 12, label, anchor="middle")


def _rows(shown: Sequence[EntityStanding], grid: _Grid) -> Iterator[Markup]:
    for number, one in enumerate(shown):
        y = grid.top + number * _ROW
        middle, end = y + _ROW / 2 - 1, grid.names.width + _ASKED - 14
        yield grid.names.row(one.entity, middle)
        yield text(end, middle, f"{one.questions:,}", class_="value", anchor="end")
        for column in grid.columns:
            yield _cell(one, column, Cell(column.left, y, grid.width, _ROW))


def _cell(one: EntityStanding, column: _Column, cell: Cell) -> Markup:
    about = f"{one.entity}, {column.label}"
    asked, found = one.asked[column.place], one.found[column.place]
    if not asked:
        return empty_cell(cell, f"{about}: never asked")
    share = percent_text(found / asked)
    words = f"{about}: {found:,} of {count_text(asked, 'answer')} ({share})"
    shown = share.removesuffix(" %") if cell.width >= _ROOM_FOR_NUMBERS else ""
    return filled_cell(cell, found / asked, shown, words)
