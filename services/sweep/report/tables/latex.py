"""A report's tables as LaTeX, as a paper prints them; they need the package booktabs alone."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.benchmark.records import Part, Setting
from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.model import Report
from services.sweep.report.tables.grid import Cell, Grid, Line, leaderboard_grid, published_grid
from services.sweep.report.tables.layout import SETTING_NAMES, heading
from services.sweep.report.tables.notes import (
    best_note,
    published_notes,
    resampling_note,
    signatures,
    sweep_notes,
)

MOST_LINES = 16
"""More rows of contenders than these are divided among several tables, to fit on pages."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "∞": r"$\infty$",
    "†": r"\textdagger{}",
    "–": "--",  # noqa: RUF001 - a dash is what is meant
    # After a line's end these would be taken as its arguments.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}

# LaTeX makes one character of two of these, and of a backtick after some others.
_LIGATURES = re.compile(r"(?<=-)-|(?<=')'|(?<=[`?!])`|(?<=,),")

# What every LaTeX engine can put on a letter, by the Unicode name of the combining mark.
_ACCENTS = {
    "\u0300": "\\`",
    "\u0301": "\\'",
    "\u0302": "\\^",
    "\u0303": "\\~",
    "\u0304": "\\=",
    "\u0306": "\\u",
    "\u0307": "\\.",
    "\u0308": '\\"',
    "\u030a": "\\r",
    "\u030b": "\\H",
    "\u030c": "\\v",
    "\u0327": "\\c",
}

_PART_NAMES = {
    ALL_PARTS: "all artworks",
    Part.SEEN.value: "seen artworks",
    Part.UNSEEN.value: "unseen artworks",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """What one table shows.

    Attributes:
        part: Part of the test.
        grids: The rows of each setting.
        name: What it is of, for its caption.
        label: The same for references to it.
    """

    part: str
    grids: Mapping[Setting, Grid]
    name: str
    label: str


def leaderboard_latex(report: Report) -> str:
    """Tables over all artworks, and of each part of the test; shares are times 100.

    There is one of each, or several where contenders are many.
    """
    tables = [_table(report, one) for name in _PART_NAMES for one in _parts(report, name)]
    return "\n".join(["% Needs \\usepackage{booktabs}.", *tables])


def _parts(report: Report, part: str) -> list[_Part]:
    grids = {setting: leaderboard_grid(report, part=part, setting=setting) for setting in Setting}
    grids = {setting: grid for setting, grid in grids.items() if grid.lines}
    if not grids:
        return []
    name = _PART_NAMES[part]
    if sum(len(grid.lines) for grid in grids.values()) <= MOST_LINES:
        return [_Part(part, grids, name, part)]
    return [
        _Part(
            part,
            {setting: replace(grid, lines=grid.lines[first : first + MOST_LINES])},
            f"{name}, {SETTING_NAMES[setting]}" + ", continued" * bool(first),
            f"{part}-{setting.value.replace('_', '-')}" + f"-{first}" * bool(first),
        )
        for setting, grid in grids.items()
        for first in range(0, len(grid.lines), MOST_LINES)
    ]


def latex_text(text: str) -> str:
    """Text that LaTeX prints as it is, in one line.

    Letters that not every LaTeX can print are written as their code points.
    """
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    begins = {match.start() for match in _LIGATURES.finditer(line)}
    return "".join("{}" * (n in begins) + _character(char) for n, char in enumerate(line))


def _character(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if char.isascii() and char.isprintable():
        return char
    decomposed = unicodedata.normalize("NFD", char)
    letter, mark = decomposed[0], decomposed[1:]
    if letter.isascii() and letter.isalpha() and mark in _ACCENTS:
        return f"{_ACCENTS[mark]}{{{letter}}}"
    return f"{{[}}U+{ord(char):04X}{{]}}"


def _table(report: Report, shown: _Part) -> str:
    metrics = report.metrics
    with_published = shown.part == ALL_PARTS
    body: list[str] = []
    for setting, grid in shown.grids.items():
        body += _group(SETTING_NAMES[setting], grid)
        published = published_grid(report, metrics, setting)
        if with_published and published.lines:
            body += _group(f"{SETTING_NAMES[setting]}, published", published)
    notes = [resampling_note(report.resampling), best_note(), *sweep_notes(report)]
    notes += published_notes(report) if with_published else []
    caption = (
        f"{report.title}: {shown.name}. Macro means over questions, times 100, and half the width "
        "of their 95 % intervals; n: answers scored; len: mean length in tokens."
    )
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"\centering\scriptsize",
            r"\setlength{\tabcolsep}{2pt}",
            rf"\begin{{tabular}}{{lr{'r' * len(metrics)}}}",
            r"\toprule",
            *_headings(metrics),
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{latex_text(caption)}}}",
            rf"\label{{tab:leaderboard-{shown.label}}}",
            r"\begin{flushleft}\tiny",
            *(rf"{latex_text(note)}\par" for note in notes),
            *(rf"{_signature(signature)}\par" for signature in signatures(report)),
            r"\end{flushleft}",
            r"\end{table*}",
            "",
        ]
    )


def _headings(metrics: Sequence[str]) -> list[str]:
    headings = [heading(metric) for metric in metrics]
    rows = [["model", "$n$", *(latex_text(one.top) for one in headings)]]
    if any(one.bottom for one in headings):
        rows.append(["", "", *(latex_text(one.bottom) for one in headings)])
    return [_row(row) for row in rows]


def _group(title: str, grid: Grid) -> list[str]:
    width = len(grid.metrics) + 2
    heading_row = rf"\multicolumn{{{width}}}{{l}}{{\emph{{{latex_text(title)}}}}} \\"
    return [r"\midrule", heading_row, *(row for line in grid.lines for row in _rows(line))]


def _rows(line: Line) -> list[str]:
    """A line's values, and what they are worth below them in small print."""
    scored = line.counts[0] if line.counts else ""
    rows = [_row([latex_text(line.names[0]), scored, *map(_value, line.cells)])]
    if any(cell.spread for cell in line.cells):
        rows.append(_row(["", "", *(_spread(cell) for cell in line.cells)]))
    return rows


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _value(cell: Cell) -> str:
    text = latex_text(cell.value)
    text = rf"\textbf{{{text}}}" if cell.is_best else text
    # The mark takes no room, so that numbers stay below each other.
    return text + r"\rlap{$^\dagger$}" * cell.is_close


def _spread(cell: Cell) -> str:
    return rf"{{\tiny {latex_text(cell.spread)}}}" if cell.spread else ""


def _signature(signature: str) -> str:
    """A signature, which may break after each of its fields."""
    fields = re.split(r"(?<=\|)", signature)
    return r"\texttt{" + r"\allowbreak{}".join(latex_text(field) for field in fields) + "}"
