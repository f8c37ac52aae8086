"""Writes a report: its tables, and its page with the answers."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from services.sweep.report.build import Material
from services.sweep.report.charts.index import charts, charts_css
from services.sweep.report.folder import DATA_FOLDER, ENTITIES, PAGE, NewFiles
from services.sweep.report.model import Report
from services.sweep.report.page.render import render_page
from services.sweep.report.tables.csv_table import comparisons_csv, entities_csv, leaderboard_csv
from services.sweep.report.tables.json_document import leaderboard_json
from services.sweep.report.tables.latex import leaderboard_latex
from services.sweep.report.tables.markdown import leaderboard_markdown
from services.sweep.report.viewer.data import ViewerData, ViewerOptions
from services.sweep.report.viewer.packing import DataScript

# More of them than this would make the page slow to open: they lie beside it.
MOST_INLINE_BYTES = 24 * 2**20

_TABLES: tuple[tuple[str, Callable[[Report], str]], ...] = (
    ("leaderboard.csv", leaderboard_csv),
    ("leaderboard.json", leaderboard_json),
    ("leaderboard.md", leaderboard_markdown),
    ("leaderboard.tex", leaderboard_latex),
    ("comparisons.csv", comparisons_csv),
)


def write_report(
    files: NewFiles,
    material: Material,
    report: Report,
    answers: ViewerOptions,
    note: Callable[[str], None],
) -> None:
    """Writes the files of a report.

    Args:
        files: Where to.
        material: What the report was made from.
        report: What it says.
        answers: Which answers it shows; none without a viewer.
        note: Told what is being done.

    Raises:
        UserInputError: The answers cannot be read, or the files cannot be written.
    """
    for name, table in _TABLES:
        files.write(name, table(report))
    if report.entities is not None:
        files.write(ENTITIES, entities_csv(report))
    inline: list[str] = []
    external = False
    if answers.most_answers:
        note("packing the answers")
        inline, external = _place(files, _scripts(material, answers))
    note("drawing charts")
    drawn = tuple(charts(report).values())
    page = render_page(report, drawn, charts_css=charts_css(), inline=inline, external=external)
    files.write(PAGE, page)


def _scripts(material: Material, answers: ViewerOptions) -> Iterable[DataScript]:
    return ViewerData(material.evidence, material.found.references, answers).scripts()


def _place(files: NewFiles, scripts: Iterable[DataScript]) -> tuple[list[str], bool]:
    """Keeps scripts for the page as long as they are few, and else writes all of them beside it.

    Returns:
        The scripts for the page, and whether they lie beside it instead.
    """
    kept: list[DataScript] = []
    size = 0
    waiting: Iterator[DataScript] = iter(scripts)
    for script in waiting:
        kept.append(script)
        size += len(script.text)
        if size > MOST_INLINE_BYTES:
            for one in chain(kept, waiting):
                files.write(f"{DATA_FOLDER}/{one.name}.js", one.text)
            return [], True
    return [script.text for script in kept], False
