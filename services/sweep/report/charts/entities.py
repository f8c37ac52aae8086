"""Which entities the contenders know: a heat map of those asked for most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.sweep.report.charts.axes import names_width, row_name
from services.sweep.report.charts.heat import Cell, empty_cell, filled_cell
from services.sweep.report.charts.labels import count_text, fitted, percent_text, text_width
from services.sweep.report.charts.svg import WIDTH, Markup, picture, text
from services.sweep.report.model import EntityStanding, Report

_ROW = 24.0
_MIN_COLUMN, _MAX_COLUMN = 26.0, 120.0
_ASKED = 60.0
_MOST = 25
_TURN = -40.0
# Height and overhang of a name that is turned, as shares of its length.
_RISE, _RUN = 0.65, 0.77
_LONGEST_TURNED = 150.0
_OVERHANG = 70.0


@dataclass(frozen=True, slots=True)
class _Column:
    """One contender's column: its place in the report, and the left edge."""

    place: int
    label: str
    left: float


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where everything is."""

    names: float
    columns: Sequence[_Column]
    width: float
    is_turned: bool

    @property
    def top(self) -> float:
        """Where the first row begins: under the names of the contenders."""
        if not self.is_turned:
            return 30.0
        longest = max(text_width(column.label) for column in self.columns)
        return 30.0 + _RISE * min(longest, _LONGEST_TURNED)


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
        text(grid.names + _ASKED - 14, grid.top - 12, "answers", class_="small", anchor="end"),
        *_headings(grid),
        *_rows(shown, grid),
    )


def _is_asked(place: int, shown: Sequence[EntityStanding]) -> bool:
    return any(one.asked[place] for one in shown if place < len(one.asked))


def _grid(report: Report, shown: Sequence[EntityStanding], places: Sequence[int]) -> _Grid:
    names = names_width([one.entity for one in shown])
    labels = [report.contenders[place].label for place in places]
    room = WIDTH - names - _ASKED
    width = min(room / len(places), _MAX_COLUMN)
    is_turned = any(text_width(label) > width - 8 for label in labels)
    if is_turned:
        # The last name leans over the right edge.
        width = max(min((room - _OVERHANG) / len(places), _MAX_COLUMN), _MIN_COLUMN)
    columns = [
        _Column(place, label, names + _ASKED + order * width)
        for order, (place, label) in enumerate(zip(places, labels, strict=True))
    ]
    return _Grid(names, columns, width, is_turned)


def _headings(grid: _Grid) -> Iterator[Markup]:
    for column in grid.columns:
        middle = column.left + grid.width / 2 - 1
        if grid.is_turned:
            # What leans over the edge of the picture is not seen.
            room = min(_LONGEST_TURNED, (WIDTH - middle - 6) / _RUN)
            short = fitted(column.label, room)
            yield text(middle - 2, grid.top - 9, short, whole=column.label, turned=_TURN)
        else:
            yield text(middle, grid.top - 12, column.label, anchor="middle")


def _rows(shown: Sequence[EntityStanding], grid: _Grid) -> Iterator[Markup]:
    for number, one in enumerate(shown):
        y = grid.top + number * _ROW
        middle, end = y + _ROW / 2 - 1, grid.names + _ASKED - 14
        yield row_name(one.entity, middle, grid.names)
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
    return filled_cell(cell, found / asked, share.removesuffix(" %"), words)
