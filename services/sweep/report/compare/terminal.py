"""Prints a comparison of two sweeps in the terminal."""

from rich.console import Console

from services.sweep.report.compare.grids import (
    answers_grid,
    changes_grid,
    comparison_notes,
    questions_grid,
)
from services.sweep.report.compare.model import SweepComparison
from services.sweep.report.tables.terminal import print_grid, print_notes, print_signatures


def print_comparison(comparison: SweepComparison, console: Console) -> None:
    """Prints what changed: means, answers, and the questions that changed most.

    Args:
        comparison: What to print.
        console: Where to; its width decides how tables are split.
    """
    for grid in (changes_grid(comparison), answers_grid(comparison), questions_grid(comparison)):
        if grid.lines:
            print_grid(grid, console, is_titled=True)
    print_notes(comparison_notes(comparison), console)
    print_signatures(list(comparison.signatures.values()), console)
