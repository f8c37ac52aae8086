"""How the costs of a sweep look in a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.sweep.progress.costs import ModelCost

# Below, only what is asked for most has room.
_WIDE_COLUMNS = 110


def print_costs(costs: Sequence[ModelCost], currency: str, console: Console) -> None:
    """Prints a row a model, with the columns of :mod:`services.sweep.progress.costs`."""
    console.print()
    console.print(_table(costs, currency, is_wide=console.width >= _WIDE_COLUMNS))


def _table(costs: Sequence[ModelCost], currency: str, *, is_wide: bool) -> Table:
    has_money = any(cost.money is not None for cost in costs)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("cost of", overflow="fold")
    headings = ["answers", "tokens in", "out", "GPU s"]
    headings += ["GPU s/1000", "busy s", "model s"] if is_wide else []
    headings += [currency, f"{currency}/1000"] if has_money else []
    for heading in headings:
        table.add_column(Text(heading), justify="right")
    for cost in costs:
        row = [f"{cost.questions:,}", f"{cost.prompt_tokens:,}", f"{cost.generated_tokens:,}"]
        row.append(f"{cost.gpu_s:,.1f}")
        if is_wide:
            per_thousand = cost.gpu_s * 1000 / cost.questions
            row += [f"{per_thousand:,.1f}", f"{cost.busy_s:,.1f}", f"{cost.model_s:,.1f}"]
        if has_money:
            per = cost.money_per_thousand
            row.append("-" if cost.money is None else f"{cost.money:,.4f}")
            row.append("-" if per is None else f"{per:,.4f}")
        table.add_row(Text(cost.label), *row)
    return table
