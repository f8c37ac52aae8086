"""Makes reports for the commands that end with one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from services.core.errors import UserInputError
from services.sweep.report.build import ReportOptions, read_material, report_of
from services.sweep.report.compare.json_document import comparison_json
from services.sweep.report.compare.markdown import comparison_markdown
from services.sweep.report.compare.model import SweepComparison
from services.sweep.report.compare.sweeps import compare_sweeps
from services.sweep.report.files import packing_answers, write_report
from services.sweep.report.folder import COMPARISON_FILES, PAGE, REPORT_FILES, replacing_files
from services.sweep.report.gathering import gather_evidence
from services.sweep.report.model import Report, Resampling
from services.sweep.report.sources import open_sources
from services.sweep.report.statistics.resampling import Resampler
from services.sweep.report.tables.terminal import print_report
from services.sweep.report.viewer.data import ViewerOptions

_FOLDER = "report"
_SHARDS = "shards"
_OLD_AND_NEW = 2


@dataclass(frozen=True, slots=True)
class MadeReport:
    """A report that was written.

    Attributes:
        report: What it says.
        page: Its page.
    """

    report: Report
    page: Path


@contextmanager
def showing_work() -> Iterator[Callable[[str], None]]:
    """Shows on standard error, where that is a terminal, what is being done."""
    console = Console(stderr=True)
    with console.status("starting") as status:
        yield status.update


def report_folder(outputs: Sequence[str]) -> Path:
    """Where a report is written by default: into a single sweep's output, or else here."""
    [first, *others] = outputs
    is_whole = not others and "://" not in first and Path(first).parent.name != _SHARDS
    return Path(first) / _FOLDER if is_whole else Path(_FOLDER)


def make_report(
    outputs: Sequence[str],
    options: ReportOptions,
    answers: ViewerOptions,
    folder: Path,
    note: Callable[[str], None],
) -> MadeReport:
    """Builds a report and writes it.

    Args:
        outputs: Outputs of sweeps.
        options: What it is to hold.
        answers: Which answers it is to show.
        folder: Where it is to stand.
        note: Told what is being done.

    Raises:
        UserInputError: The results do not make one report, or the folder cannot be written.
    """
    material = read_material(outputs, options, note)
    # Whether it can be written shows before the work is done.
    with (
        replacing_files(folder, REPORT_FILES) as files,
        packing_answers(files, material, answers) as packed,
    ):
        report = report_of(material, options, note)
        write_report(files, report, packed, note)
    return MadeReport(report, folder / PAGE)


def print_new_report(output: str, console: Console) -> None:
    """Makes a report of one sweep where it stands by default, and prints it.

    Raises:
        UserInputError: The results make no report, or it cannot be written.
    """
    with showing_work() as note:
        made = make_report(
            [output], ReportOptions(), ViewerOptions(), report_folder([output]), note
        )
    print_made(made, console)


def print_made(made: MadeReport, console: Console) -> None:
    """Prints a report, and where its page is."""
    print_report(made.report, console)
    console.print(f"report: {made.page}", soft_wrap=True, markup=False, highlight=False)


def make_comparison(
    outputs: Sequence[str],
    options: ReportOptions,
    folder: Path | None,
    note: Callable[[str], None],
) -> SweepComparison:
    """Compares two sweeps, and writes what changed if there is a folder for it.

    Raises:
        UserInputError: The results cannot be compared, or the folder cannot be written.
    """
    if len(outputs) != _OLD_AND_NEW:
        raise UserInputError(
            f"--compare takes two outputs, the old one and the new one; there are {len(outputs)}"
        )
    note("reading the results")
    evidence = gather_evidence(open_sources(outputs), options.metrics)
    note("comparing")
    artworks = len(evidence.artworks)
    comparison = compare_sweeps(
        evidence,
        Resampler(artworks, options.resamples, options.seed),
        Resampling(options.resamples, options.seed, artworks),
    )
    if folder is not None:
        with replacing_files(folder, COMPARISON_FILES) as files:
            files.write("comparison.json", comparison_json(comparison))
            files.write("comparison.md", comparison_markdown(comparison))
    return comparison
