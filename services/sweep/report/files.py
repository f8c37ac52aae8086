"""Writes a report: its tables, and its page with the answers."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from threading import Event
from typing import NamedTuple

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


class PackedAnswers(NamedTuple):
    """The answers that a report shows, packed.

    Attributes:
        inline: Scripts for the page; none where they lie beside it, or none is to be shown.
        external: Whether they lie beside it.
    """

    inline: list[str]
    external: bool


@contextmanager
def packing_answers(
    files: NewFiles, material: Material, answers: ViewerOptions
) -> Iterator[Callable[[], PackedAnswers]]:
    """Packs the answers for as long as the body works on other things, which takes as long.

    Args:
        files: Where to, where they do not fit into the page.
        material: What the report is made from.
        answers: Which of them to show; none without a viewer.

    Yields:
        What waits for them. It raises UserInputError where they cannot be read or written.
    """
    if not answers.most_answers:
        yield lambda: PackedAnswers([], external=False)
        return
    scripts = ViewerData(material.evidence, material.found.references, answers).scripts()
    stopped = Event()
    with ThreadPoolExecutor(1, "answers") as thread:
        packed = thread.submit(_place, files, _until(stopped, scripts))
        try:
            yield packed.result
        finally:
            stopped.set()


def write_report(
    files: NewFiles,
    report: Report,
    packed: Callable[[], PackedAnswers],
    note: Callable[[str], None],
) -> None:
    """Writes the files of a report.

    Args:
        files: Where to.
        report: What it says.
        packed: Waits for the answers that it shows.
        note: Told what is being done.

    Raises:
        UserInputError: The answers cannot be read, or the files cannot be written.
    """
    for name, table in _TABLES:
        files.write(name, table(report))
    if report.entities is not None:
        files.write(ENTITIES, entities_csv(report))
    note("drawing charts")
    drawn = tuple(charts(report).values())
    note("packing the answers")
    inline, external = packed()
    page = render_page(report, drawn, charts_css=charts_css(), inline=inline, external=external)
    files.write(PAGE, page)


def _until(stopped: Event, scripts: Iterator[DataScript]) -> Iterator[DataScript]:
    """Gives scripts until nobody wants them any more."""
    for script in scripts:
        if stopped.is_set():
            return
        yield script


def _place(files: NewFiles, scripts: Iterable[DataScript]) -> PackedAnswers:
    """Keeps scripts for the page as long as they are few, and else writes all of them beside it."""
    kept: list[DataScript] = []
    size = 0
    waiting: Iterator[DataScript] = iter(scripts)
    for script in waiting:
        kept.append(script)
        size += len(script.text)
        if size > MOST_INLINE_BYTES:
            for one in chain(kept, waiting):
                files.write(f"{DATA_FOLDER}/{one.name}.js", one.text)
            return PackedAnswers([], external=True)
    return PackedAnswers([script.text for script in kept], external=False)
