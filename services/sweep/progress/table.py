"""How far a sweep is, as a table for people."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from services.sweep.progress.snapshot import ModelProgress, SweepSnapshot

_BAR = "bar"
_BAR_COLUMNS = 20
_GAP_COLUMNS = 3

# What a narrow terminal does without, the first first.
_DISPENSABLE = (_BAR, "retries", "in flight", "tokens/s")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its cells as they are shown, and how wide they are."""

    heading: str
    cells: tuple[RenderableType, ...]
    width: int


def progress_table(snapshot: SweepSnapshot, width: int) -> Table:
    """A row for each model and one for all: settled, failed, rates, concurrency, time left.

    Args:
        snapshot: The counts.
        width: Columns of the terminal; a narrow one gets fewer columns of the table.
    """
    columns = _columns(snapshot)
    for heading in _DISPENSABLE:
        gaps = _GAP_COLUMNS * (len(columns) - 1)
        if sum(column.width for column in columns) + gaps > width:
            columns = [column for column in columns if column.heading != heading]
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        if column.heading == _BAR:
            table.add_column("", width=_BAR_COLUMNS)
        elif column.heading == "model":
            table.add_column(column.heading, overflow="fold")
        else:
            table.add_column(column.heading, justify="right", no_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def clock(seconds: float) -> str:
    """Writes a duration as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _columns(snapshot: SweepSnapshot) -> list[_Column]:
    models = snapshot.models
    bars = [_bar(model.planned, model.done + model.failed) for model in models]
    bars.append(_bar(snapshot.planned, snapshot.settled))
    retries = [sum(model.retries.values()) for model in models]
    return [
        _texts(
            "model",
            [Text(model.label + " (set aside)" * bool(model.set_aside)) for model in models],
            Text(f"all ({snapshot.scored} scored)", style="bold"),
        ),
        _Column(_BAR, tuple(bars), _BAR_COLUMNS),
        _texts(
            "settled",
            [Text(f"{model.done + model.failed}/{model.planned}") for model in models],
            Text(f"{snapshot.settled}/{snapshot.planned}"),
        ),
        _texts("failed", map(_failed, models), Text(str(snapshot.failed))),
        _texts(
            "questions/s",
            [Text(f"{model.rate_per_s:.2f}") for model in models],
            Text(f"{snapshot.recent_rate_per_s:.2f}"),
        ),
        _texts(
            "tokens/s",
            [Text(f"{model.tokens_per_s:.0f}") for model in models],
            Text(f"{snapshot.tokens_per_s:.0f}"),
        ),
        _texts(
            "in flight",
            [Text(f"{model.in_flight} of {model.concurrency}") for model in models],
            Text(str(sum(model.in_flight for model in models))),
        ),
        _texts("retries", [Text(str(count)) for count in retries], Text(str(sum(retries)))),
        _texts(
            "left",
            [_left(model.remaining_s) for model in models],
            _left(snapshot.remaining_s),
        ),
    ]


def _texts(heading: str, of_models: Iterable[Text], of_all: Text) -> _Column:
    cells = (*of_models, of_all)
    return _Column(heading, cells, max(cell_len(heading), *(cell.cell_len for cell in cells)))


def _bar(planned: int, settled: int) -> ProgressBar:
    return ProgressBar(total=planned, completed=settled, width=_BAR_COLUMNS)


def _failed(model: ModelProgress) -> Text:
    return Text(str(model.failed), style="red" if model.failed else "")


def _left(seconds: float | None) -> Text:
    return Text(clock(seconds) if seconds else "")
