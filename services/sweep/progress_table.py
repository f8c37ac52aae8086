"""How far a sweep is, as a table for people."""

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from services.sweep.progress_snapshot import ModelProgress, SweepSnapshot

# Below, the columns would not fit beside a model's name.
_WIDE_COLUMNS = 100
_BAR_COLUMNS = 20


def progress_table(snapshot: SweepSnapshot, width: int) -> Table:
    """A row for each model and one for all: settled, failed, rates, concurrency, time left.

    Args:
        snapshot: The counts.
        width: Columns of the terminal; a narrow one gets fewer columns of the table.
    """
    is_wide = width >= _WIDE_COLUMNS
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("model", overflow="fold")
    if is_wide:
        table.add_column("", width=_BAR_COLUMNS)
    headings = ["settled", "failed", "questions/s", "left"]
    if is_wide:
        headings[3:3] = ["tokens/s", "in flight", "retries"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for model in snapshot.models:
        table.add_row(*_row(model, is_wide=is_wide))
    remaining = snapshot.remaining_s
    total: list[RenderableType] = [Text(f"all ({snapshot.scored} scored)", style="bold")]
    if is_wide:
        total.append(ProgressBar(total=snapshot.planned, completed=snapshot.settled))
    total += [
        f"{snapshot.settled}/{snapshot.planned}",
        str(snapshot.failed),
        f"{snapshot.recent_rate_per_s:.2f}",
    ]
    if is_wide:
        retries = sum(sum(model.retries.values()) for model in snapshot.models)
        in_flight = sum(model.in_flight for model in snapshot.models)
        total += [f"{snapshot.tokens_per_s:.0f}", str(in_flight), str(retries)]
    total.append(clock(remaining) if remaining else "")
    table.add_row(*total)
    return table


def clock(seconds: float) -> str:
    """Writes a duration as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _row(model: ModelProgress, *, is_wide: bool) -> list[RenderableType]:
    aside = " (set aside)" if model.set_aside else ""
    row: list[RenderableType] = [Text(model.label + aside)]
    settled = model.done + model.failed
    if is_wide:
        row.append(ProgressBar(total=model.planned, completed=settled))
    failed = Text(str(model.failed), style="red" if model.failed else "")
    row += [f"{settled}/{model.planned}", failed, f"{model.rate_per_s:.2f}"]
    if is_wide:
        row += [
            f"{model.tokens_per_s:.0f}",
            f"{model.in_flight} of {model.concurrency}",
            str(sum(model.retries.values())),
        ]
    remaining = model.remaining_s
    row.append(clock(remaining) if remaining else "")
    return row
