"""How a sweep's capacity looks on a terminal or in a file."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.sweep.capacity.capacity import ModelCapacity, SweepCapacity
from services.sweep.plan.plan import SweepPlan

_GIB = 2**30
_MIB = 2**20
_SECONDS_AN_HOUR = 3600


def print_capacity(
    capacity: SweepCapacity, plan: SweepPlan, notes: Sequence[str], console: Console
) -> None:
    """Prints a row a model, what the whole sweep needs, and what all of it rests on.

    Args:
        capacity: What was computed.
        plan: The sweep's plan.
        notes: What a reader should know besides.
        console: Where to print it.
    """
    spec = plan.spec
    _print(
        console,
        f"{spec.name}: {len(plan.to_generate):,} of {len(plan.jobs):,} questions are left to ask",
    )
    console.print(_models(capacity, spec.prices.currency))
    _print(
        console,
        f"in all: {_hours(capacity.seconds)} hours at {capacity.questions_per_s:,.1f} questions/s; "
        f"{capacity.gpus:g} GPUs at a time, {capacity.gpu_hours:,.1f} GPU hours",
    )
    _print(
        console,
        f"drivers: {capacity.drivers} with concurrency {spec.concurrency}; "
        f"generation fronts: {capacity.fronts} for {capacity.in_flight:,} questions on their way; "
        f"scoring pods: {capacity.scoring_pods}",
    )
    _print(console, f"result tables in the end: {_size(capacity.store_bytes)}")
    if capacity.cost is not None:
        _print(console, f"cost: {capacity.cost:,.2f} {spec.prices.currency}")
    for model in capacity.models:
        if model.replicas:
            pace = model.pace
            _print(console, f"{pace.basis}: {model.plan.label}: {pace.source}")
    for figure in capacity.figures:
        _print(console, f"{figure.basis}: {figure.value:,.4g} {figure.name} ({figure.source})")
    for note in notes:
        _print(console, f"note: {note}")


def _models(capacity: SweepCapacity, currency: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("model", overflow="fold")
    has_cost = capacity.cost is not None
    for heading in ("to ask", "replicas", "GPUs", "GiB each", "questions/s", "hours"):
        table.add_column(heading, justify="right")
    if has_cost:
        table.add_column(Text(currency), justify="right")
    table.add_column("a replica fits on", overflow="fold")
    for model in capacity.models:
        cost = ["-" if model.cost is None else f"{model.cost:,.2f}"] if has_cost else []
        table.add_row(*map(Text, (*_row(model), *cost, _fits(model))))
    return table


def _row(model: ModelCapacity) -> tuple[str, ...]:
    memory = model.needs.memory
    gib = "-" if memory.memory_gib is None else f"{memory.memory_gib:g}"
    each = f" = {model.replicas} x {memory.gpus:g}" if model.gpus > memory.gpus else ""
    return (
        model.plan.label,
        f"{model.plan.to_generate:,}",
        f"{model.replicas}",
        f"{model.gpus:g}{each}",
        gib,
        f"{model.questions_per_s:,.2f}",
        _hours(model.seconds),
    )


def _fits(model: ModelCapacity) -> str:
    memory = model.needs.memory
    if model.needs.runs_elsewhere:
        return "an endpoint that runs elsewhere"
    if not memory.gpus:
        return "a processor"
    if memory.memory_gib is None:
        return "not known"
    return ", ".join(model.fits) or "none of these"


def _hours(seconds: float) -> str:
    return f"{seconds / _SECONDS_AN_HOUR:,.2f}"


def _size(count: int) -> str:
    return f"{count / _GIB:,.1f} GiB" if count >= _GIB else f"{count / _MIB:,.1f} MiB"


def _print(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)
