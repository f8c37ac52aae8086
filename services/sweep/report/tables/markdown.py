"""A report's tables as Markdown, as GitHub shows it."""

import re
from collections.abc import Sequence

from services.sweep.report.model import Report
from services.sweep.report.tables.grid import (
    Cell,
    Grid,
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

MOST_PAIRS = 15
"""Of more pairs of contenders the differences are in ``comparisons.csv`` alone."""

# What GitHub takes as markup within a line; a bar would end a cell even in code.
_MARKUP = re.compile(r"[\\`*_{}\[\]~$#]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "@": "&#64;"}


def leaderboard_markdown(report: Report) -> str:
    """The leaderboard, published rows, differences and gaps; shares are times 100."""
    parts = [f"# {markdown_text(report.title)}"]
    parts += _section(leaderboard_grid(report), [*number_notes(report), *sweep_notes(report)])
    parts.append(
        "Signatures of the means, and of their differences and gaps:\n\n"
        + markdown_signatures(signatures(report))
    )
    micro = micro_grid(report)
    if micro.lines:
        parts += _section(micro, [micro_note()])
        parts.append("Signatures:\n\n" + markdown_signatures(micro_signatures(report)))
    if report.published:
        parts += _section(published_grid(report), published_notes(report))
    differences = differences_grid(report)
    pairs = {line.names[:2] for line in differences.lines}
    if 0 < len(pairs) <= MOST_PAIRS:
        parts += _section(differences, [difference_note()])
    elif pairs:
        parts.append(f"The differences of {len(pairs)} pairs of models are in comparisons.csv.")
    gaps = gaps_grid(report)
    if gaps.lines:
        parts += _section(gaps, [difference_note()])
    return "\n\n".join(parts) + "\n"


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is, in one line, also within a table."""
    line = " ".join(text.split())
    escaped = _MARKUP.sub(r"\\\g<0>", line)
    return "".join(_ENTITIES.get(char, char) for char in escaped)


def markdown_table(grid: Grid) -> str:
    """A grid as a table: names to the left, numbers to the right."""
    headings = [*grid.names, *grid.counts, *(heading(metric).line for metric in grid.metrics)]
    left = len(grid.names)
    rows = [
        [markdown_text(text) for text in headings],
        [":--" if place < left else "--:" for place in range(len(headings))],
    ]
    for line in grid.lines:
        names = [markdown_text(name) for name in line.names]
        rows.append([*names, *line.counts, *(_cell(cell) for cell in line.cells)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def markdown_notes(notes: Sequence[str]) -> str:
    """Notes as a list."""
    return "\n".join(f"- {markdown_text(note)}" for note in notes)


def markdown_signatures(signatures: Sequence[str]) -> str:
    """Signatures as a list, each as code."""
    return "\n".join(f"- {_code(signature)}" for signature in signatures)


def _section(grid: Grid, notes: list[str]) -> list[str]:
    return [
        f"## {grid.title}",
        markdown_table(grid),
        markdown_notes(notes),
    ]


def _cell(cell: Cell) -> str:
    text = f"**{cell.value}**" if cell.is_best else cell.value
    mark = "†" * cell.is_close + "\\*" * cell.is_significant
    return f"{text}{mark} {markdown_text(cell.bounds)}".strip()


def _code(text: str) -> str:
    """A code span around text that may itself hold backticks."""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}"
