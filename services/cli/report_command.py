"""``expart report``: a report of one sweep or several, or what changed from one to the next."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.report_writing import (
    make_comparison,
    make_report,
    print_made,
    report_folder,
    showing_work,
)
from services.cli.standard_output import check_standard_output, printing_the_result
from services.cli.stored_sweep import open_output
from services.core.errors import UserInputError
from services.sweep.report.build import ReportOptions
from services.sweep.report.compare.limits import Limit, broken_limits, parse_limits
from services.sweep.report.compare.terminal import print_comparison
from services.sweep.report.viewer.data import DEFAULT_ANSWERS, ViewerOptions

# A metric fell by more than it may.
EXIT_FELL = 1

_EPILOG = (
    "Several outputs stand in one report: shards of one plan are put together, and sweeps of the "
    "same dataset are compared. A single shard is named by its folder, OUT/shards/00000-of-00004. "
    "The report is report.html, which opens from disk, with leaderboard.csv, .json, .md and .tex, "
    "comparisons.csv and entities.csv beside it; where the answers do not fit into the page they "
    "are in the folder report_data. Exit codes: 0 done, 1 the storage failed, or with --fail-below "
    "a metric fell by more than it may, 2 wrong input, 130 stopped."
)


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("report", epilog=_EPILOG)(report)


@interruptible()
def report(
    outputs: Annotated[
        list[str],
        typer.Argument(
            metavar="OUTPUT|SPEC...",
            help="Outputs of sweeps: folders, URIs, folders of single shards, or the YAML files "
            "that name them. With --compare the old one and the new one.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        str,
        typer.Option(
            help="Folder to write to.",
            show_default="OUTPUT/report for one sweep on this machine, else ./report",
        ),
    ] = "",
    dataset: Annotated[
        Path | None,
        typer.Option(help="The dataset's folder, where it has moved since the sweep."),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Metrics to report, by commas.", show_default="all")
    ] = "",
    micro: Annotated[
        bool, typer.Option("--micro", help="Report micro means and corpus BLEU, too.")
    ] = False,
    resamples: Annotated[
        int, typer.Option(min=1, help="How many times artworks are drawn for intervals.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    answers: Annotated[
        int, typer.Option(min=0, help="Most answers to show; 0 shows none.")
    ] = DEFAULT_ANSWERS,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Show the artworks' pictures.")
    ] = True,
    compare: Annotated[
        bool, typer.Option("--compare", help="Say what changed from the first sweep to the second.")
    ] = False,
    fail_below: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=AMOUNT",
            help="With --compare: exit 1 if the metric fell by more than this, in the units of "
            "the tables, such as ef1=1.0. May be given again.",
        ),
    ] = None,
) -> None:
    """Write a report of sweeps: numbers with their uncertainty, charts, and the answers."""
    end_as_by_ctrl_c()
    check_standard_output()
    limits = parse_limits(fail_below or ())
    if limits and not compare:
        raise UserInputError("--fail-below goes with --compare")
    if compare:
        page_options = {
            "--micro": micro,
            "--dataset": dataset is not None,
            "--answers": answers != DEFAULT_ANSWERS,
            "--no-pictures": not pictures,
        }
        for name in (name for name, is_given in page_options.items() if is_given):
            raise UserInputError(f"{name} does not go with --compare, which makes no page")
    places = [open_output(one).uri for one in outputs]
    if "://" in out:
        raise UserInputError(f"--out {out}: a report is written to a folder on this machine")
    options = ReportOptions(
        resamples=resamples,
        seed=seed,
        micro=micro,
        dataset=dataset,
        metrics=tuple(name.strip() for name in metrics.split(",") if name.strip()),
    )
    if compare:
        _compare(places, options, limits, Path(out) if out else None)
        return
    folder = Path(out) if out else report_folder(places)
    with showing_work() as note:
        made = make_report(
            places, options, ViewerOptions(answers, seed, with_pictures=pictures), folder, note
        )
    with printing_the_result():
        print_made(made, Console())


def _compare(
    places: Sequence[str],
    options: ReportOptions,
    limits: Sequence[Limit],
    folder: Path | None,
) -> None:
    """Prints what changed.

    Raises:
        Exit: A metric fell by more than it may.
        UserInputError: The sweeps cannot be compared, or the folder cannot be written.
    """
    with showing_work() as note:
        comparison = make_comparison(places, options, folder, note)
    with printing_the_result():
        print_comparison(comparison, Console())
    if broken := broken_limits(comparison, limits):
        for line in broken:
            typer.echo(line, err=True)
        raise typer.Exit(EXIT_FELL)
