"""How the costs of a sweep look in a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from services.sweep.costs import ModelCost


def cost_table(costs: Sequence[ModelCost], currency: str = "") -> Table:
    """A row a model; the columns are those that :mod:`services.sweep.costs` describes."""
    has_money = any(cost.money is not None for cost in costs)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("cost of", overflow="fold")
    headings = ["answers", "tokens in", "out", "model s", "busy s", "GPU s", "GPU s/1000"]
    money = ["money", "per 1000"] if has_money else []
    for heading in (*headings, *(f"{currency} {text}".strip() for text in money)):
        table.add_column(heading, justify="right")
    for cost in costs:
        row = [
            f"{cost.questions:,}",
            f"{cost.prompt_tokens:,}",
            f"{cost.generated_tokens:,}",
            f"{cost.model_s:,.1f}",
            f"{cost.busy_s:,.1f}",
            f"{cost.gpu_s:,.1f}",
            f"{cost.gpu_s * 1000 / cost.questions:,.1f}",
        ]
        if has_money:
            per = cost.money_per_thousand
            row.append("-" if cost.money is None else f"{cost.money:,.4f}")
            row.append("-" if per is None else f"{per:,.4f}")
        table.add_row(Text(cost.label), *row)
    return table
