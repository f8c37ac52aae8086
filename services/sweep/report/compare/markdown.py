"""A comparison of two sweeps as Markdown."""

from services.sweep.report.compare.grids import (
    answers_grid,
    changes_grid,
    comparison_notes,
    questions_grid,
)
from services.sweep.report.compare.model import SweepComparison
from services.sweep.report.tables.markdown import (
    markdown_notes,
    markdown_signatures,
    markdown_table,
    markdown_text,
)


def comparison_markdown(comparison: SweepComparison) -> str:
    """What changed: means, answers, and the questions that changed most; shares times 100."""
    parts = ["# Comparison of two sweeps", markdown_notes(comparison_notes(comparison))]
    for grid in (changes_grid(comparison), answers_grid(comparison), questions_grid(comparison)):
        if grid.lines:
            parts += [f"## {markdown_text(grid.title)}", markdown_table(grid)]
    parts += ["Signatures:", markdown_signatures(list(comparison.signatures.values()))]
    return "\n\n".join(parts) + "\n"
