"""Prints a report in the terminal: the leaderboard with its intervals, and what sets rows apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.metrics.entity_cooccurrence import ENTITY_COOCCURRENCE_METRICS
from services.metrics.entity_coverage import ENTITY_COVERAGE_METRICS
from services.metrics.entity_f1 import ENTITY_F1_METRICS
from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.model import Report
from services.sweep.report.tables.grid import (
    Cell,
    Grid,
    Line,
    differences_grid,
    gaps_grid,
    leaderboard_grid,
    micro_grid,
    published_grid,
)
from services.sweep.report.tables.layout import heading
from services.sweep.report.tables.notes import (
    difference_note,
    micro_note,
    micro_signatures,
    number_notes,
    published_notes,
    signatures,
    sweep_notes,
)

MOST_CONTENDERS = 8
"""With more contenders the terminal shows rows over all parts alone."""

MOST_PAIRS = 6
"""Of more pairs of contenders the terminal shows no differences."""

_UNBOUNDED = 10_000

_ENTITY_METRICS = frozenset(
    metric.name
    for metric in (*ENTITY_F1_METRICS, *ENTITY_COVERAGE_METRICS, *ENTITY_COOCCURRENCE_METRICS)
)


def print_report(report: Report, console: Console) -> None:
    """Prints the leaderboard, published rows, differences and gaps.

    Each table is one where the console is wide enough, and otherwise several, with the text metrics
    before the entity metrics.

    Args:
        report: What to print.
        console: Where to; its width decides.
    """
    is_crowded = len(report.contenders) > MOST_CONTENDERS
    print_grid(leaderboard_grid(report, part=ALL_PARTS if is_crowded else None), console)
    notes = number_notes(report)
    if is_crowded:
        notes.append(
            "Seen and unseen artworks apart, and values from summed statistics, are in the files."
        )
    print_notes([*notes, *sweep_notes(report)], console)
    print_signatures(signatures(report), console)
    micro = micro_grid(report)
    if micro.lines and not is_crowded:
        print_grid(micro, console, is_titled=True)
        print_notes([micro_note()], console)
        print_signatures(micro_signatures(report), console)
    published = published_grid(report, report.metrics)
    if published.lines:
        print_grid(published, console, is_titled=True)
        print_notes(published_notes(report), console)
    differences, gaps = differences_grid(report), gaps_grid(report)
    pairs = {line.names[:2] for line in differences.lines}
    if len(pairs) > MOST_PAIRS:
        print_notes([f"Differences of {len(pairs)} pairs of models are in the files."], console)
    shown = [gaps] if len(pairs) > MOST_PAIRS else [differences, gaps]
    shown = [grid for grid in shown if grid.lines]
    for grid in shown:
        print_grid(grid, console, is_titled=True)
    if shown:
        print_notes([difference_note()], console)


def printable(text: str) -> Text:
    """Text for the terminal in which nothing is markup, and nothing steers the terminal."""
    return Text(
        "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    )


def print_grid(grid: Grid, console: Console, *, is_titled: bool = False) -> None:
    """Prints a table in one where the console is wide enough, and otherwise in several.

    Args:
        grid: The table.
        console: Where to.
        is_titled: Whether its title stands above it.
    """
    if is_titled:
        console.print(printable(grid.title), style="bold")
    for number, metrics in enumerate(_portions(grid, console)):
        if number:
            console.print()
        console.print(_table(grid, metrics, _counts_shown(grid, is_first=not number)))
    console.print()


def _portions(grid: Grid, console: Console) -> list[list[str]]:
    """Deals the metrics out to tables that are each as wide as the console at most."""
    if _fits(grid, grid.metrics, console, is_first=True):
        return [list(grid.metrics)]
    kinds = [
        [name for name in grid.metrics if (name in _ENTITY_METRICS) is is_of_entities]
        for is_of_entities in (False, True)
    ]
    found: list[list[str]] = [[]]
    for names in kinds:
        if found[-1] and _fits(grid, names, console, is_first=False):
            found.append([])  # of one kind, where that needs no more tables
        for name in names:
            if found[-1] and not _fits(grid, [*found[-1], name], console, is_first=len(found) == 1):
                found.append([])
            found[-1].append(name)
    return found


def _fits(grid: Grid, metrics: Sequence[str], console: Console, *, is_first: bool) -> bool:
    table = _table(grid, metrics, _counts_shown(grid, is_first=is_first))
    unbounded = console.options.update(max_width=_UNBOUNDED)
    return console.measure(table, options=unbounded).maximum <= console.width


def _counts_shown(grid: Grid, *, is_first: bool) -> int:
    return len(grid.counts) if is_first else min(1, len(grid.counts))


def print_notes(notes: Sequence[str], console: Console) -> None:
    """Prints notes, a line each, and an empty line after them."""
    for note in notes:
        console.print(printable(note), style="dim", highlight=False)
    console.print()


def print_signatures(lines: Sequence[str], console: Console) -> None:
    """Prints signatures unbroken, so that they can be copied and searched for."""
    for line in ("Signatures:", *lines):
        console.print(printable(line), style="dim", highlight=False, soft_wrap=True)
    console.print()


@dataclass(frozen=True, slots=True)
class _Column:
    """A metric's column.

    Attributes:
        place: Place of its cells in the grid's lines.
        heading: Its heading, of one line or two.
        mark_width: How wide its marks are: numbers without one keep that free, so that all of
            them stay below each other.
        width: How wide it is in all.
    """

    place: int
    heading: str
    mark_width: int
    width: int

    def text(self, number: str, mark: str = "", style: str = "") -> Text:
        """A number of the column; rich would take the spaces at its end away."""
        padded = f"{number}{mark.ljust(self.mark_width)}".rjust(self.width)
        return Text(padded, style=style, justify="left")


def _column(grid: Grid, metric: str) -> _Column:
    place = grid.metrics.index(metric)
    cells = [line.cells[place] for line in grid.lines]
    one = heading(metric)
    mark_width = max((len(_mark(cell)) for cell in cells), default=0)
    numbers = [len(text) + mark_width for cell in cells for text in (cell.value, cell.spread)]
    return _Column(
        place=place,
        heading=f"{one.top}\n{one.bottom}".rstrip("\n"),
        mark_width=mark_width,
        width=max([len(one.top), len(one.bottom), *numbers]),
    )


def _table(grid: Grid, metrics: Sequence[str], counts: int) -> Table:
    """The grid's table of some of its metrics and the first of its counts."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    for name in grid.names:
        table.add_column(name, overflow="fold")
    for name in grid.counts[:counts]:
        table.add_column(name, justify="right", no_wrap=True)
    columns = [_column(grid, metric) for metric in metrics]
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    before: tuple[str, ...] = ()
    for line in grid.lines:
        if before and before[0] != line.names[0]:
            table.add_section()
        names: list[str | Text] = [*map(printable, _new(line.names, before)), *line.counts[:counts]]
        _add(table, line, names, columns)
        before = line.names
    return table


def _add(table: Table, line: Line, names: Sequence[str | Text], columns: Sequence[_Column]) -> None:
    """Adds a line, and below its values half the widths of their intervals."""
    cells = [line.cells[column.place] for column in columns]
    values = [
        column.text(cell.value, _mark(cell), "green" if cell.is_best else "")
        for column, cell in zip(columns, cells, strict=True)
    ]
    table.add_row(*names, *values, style="bold" if line.is_whole else None)
    if any(cell.spread for cell in cells):
        spreads = [column.text(cell.spread) for column, cell in zip(columns, cells, strict=True)]
        table.add_row(*("" for _ in names), *spreads, style="dim")


def _new(names: tuple[str, ...], before: tuple[str, ...]) -> list[str]:
    """Names as they are shown: from the first one on that differs from the line above."""
    same = 0
    while same < len(before) and names[same] == before[same]:
        same += 1
    # A line that differs in nothing is still a line of its own.
    same = min(same, len(names) - 1)
    return ["" if place < same else name for place, name in enumerate(names)]


def _mark(cell: Cell) -> str:
    return "†" * cell.is_close + "*" * cell.is_significant
