"""How a sweep's plan looks on a terminal or in a file."""

from datetime import timedelta

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.sweep.plan.cells import CellName
from services.sweep.plan.report import PlanReport, assumptions

_MIB = 2**20
_COUNTS = ("planned", "done", "failed", "to_ask", "to_score")
_ALWAYS = ("planned", "done", "to_ask")
_HEADINGS = {"done": "answered", "to_ask": "to ask", "to_score": "to score"}

# On narrower terminals every column gives way; on others the model's name alone.
_NARROW_COLUMNS = 80

# Columns that are left out where they say the same in every row.
_FOLDED = ("control", "prompt", "sampling")


def print_report(report: PlanReport, console: Console) -> None:
    """Prints the questions of each cell, the pictures, the estimate and the notes."""
    plan = report.plan
    of_shard = f", shard {plan.shard.label}" if plan.shard.count > 1 else ""
    models = f"{len(plan.models)} model" + "s" * (len(plan.models) > 1)
    _print(
        console,
        f"{plan.spec.name}: {len(plan.jobs):,} questions for {models}{of_shard}; "
        f"{plan.dataset.folder} read by field mapping {plan.dataset.mapping}",
    )
    is_narrow = console.width < _NARROW_COLUMNS
    console.print(_cells(report, is_narrow=is_narrow))
    pictures = report.pictures
    _print(
        console,
        f"pictures: {pictures.found:,} found, {pictures.bytes / _MIB:,.1f} MiB; "
        f"{len(pictures.missing):,} missing",
    )
    if plan.to_generate:
        console.print(_estimates(report, is_narrow=is_narrow))
        _print(console, assumptions())
    for note in report.notes():
        _print(console, f"note: {note}")


def _cells(report: PlanReport, *, is_narrow: bool) -> Table:
    shown = [
        name
        for name in CellName._fields
        if name not in _FOLDED or len({getattr(cell.name, name) for cell in report.cells}) > 1
    ]
    if any(cell.name.control != "none" for cell in report.cells) and "control" not in shown:
        shown.append("control")
    totals = {name: sum(getattr(cell, name) for cell in report.cells) for name in _COUNTS}
    counted = [name for name, total in totals.items() if total or name in _ALWAYS]
    table = _table(shown, counted, is_narrow=is_narrow)
    for cell in report.cells:
        names = [getattr(cell.name, name) for name in shown]
        _row(table, names, [getattr(cell, name) for name in counted])
    table.add_section()
    _row(table, ["in all", *[""] * (len(shown) - 1)], [totals[name] for name in counted])
    return table


def _estimates(report: PlanReport, *, is_narrow: bool) -> Table:
    expected, currency = report.estimate, report.plan.spec.prices.currency
    has_cost = expected.cost is not None
    table = _table(
        ["model"],
        ["to ask", "tokens in", "tokens out", "time", *([currency] if has_cost else [])],
        is_narrow=is_narrow,
    )
    table.add_column("basis", overflow="fold")
    for model in expected.models:
        cells = [f"{model.questions:,}", f"{model.input_tokens:,}", f"{model.output_tokens:,}"]
        cells.append(_duration(model.seconds))
        if has_cost:
            cells.append("-" if model.cost is None else f"{model.cost:,.2f}")
        table.add_row(*map(Text, (model.label, *cells, model.basis)))
    table.add_section()
    cells = [f"{len(report.plan.to_generate):,}", f"{expected.input_tokens:,}"]
    cells += [f"{expected.output_tokens:,}", _duration(expected.seconds)]
    if has_cost:
        cells.append(f"{expected.cost:,.2f}")
    table.add_row(*map(Text, ("in all", *cells, "")))
    return table


def _table(texts: list[str], numbers: list[str], *, is_narrow: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in texts:
        table.add_column(heading, overflow="fold", no_wrap=not is_narrow and heading != "model")
    for heading in numbers:
        name = _HEADINGS.get(heading, heading)
        table.add_column(name, justify="right", no_wrap=not is_narrow)
    return table


def _row(table: Table, texts: list[str], counts: list[int]) -> None:
    table.add_row(*map(Text, (*texts, *(f"{count:,}" for count in counts))))


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "< 1 s" if seconds else "-"
    return f"about {timedelta(seconds=round(seconds))}"


def _print(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)
