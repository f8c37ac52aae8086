"""``expart sweep rescore``: scores stored answers again, without asking any model."""

import time
from contextlib import ExitStack
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli import rescore_options
from services.cli.connection_options import Connection, with_connection_options
from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.scoring_process import scoring_process
from services.cli.settings import CliSettings
from services.cli.standard_output import printing_the_result
from services.cli.stoppable import run_stoppable
from services.cli.stored_sweep import StoredSweep, open_sweep
from services.cli.sweep_log import logging_to
from services.core.errors import UserInputError
from services.rpc.client_security import ClientSecurity
from services.rpc.read_settings import read_settings
from services.sweep.leaderboard.leaderboard import (
    build_leaderboard,
    render_leaderboard,
    write_leaderboard,
)
from services.sweep.review.rescore import RescoreOutcome, ScoringChoice, rescore
from services.sweep.run.settings import load_settings

# Answers are left that are not scored by the choice; the same command scores them.
EXIT_INCOMPLETE = 1

_LINE_INTERVAL_S = 10.0

_EPILOG = (
    "Stored answers are scored against the references as the dataset has them now. What is scored "
    "as asked already is left alone: the same command goes on where it was stopped. A later "
    "'sweep run' scores all answers by the spec's metrics and scoring_options again, and says so: "
    "what shall stay belongs into the spec. Exit codes: 0 "
    "every answer is scored, 1 the service or the storage failed or answers are left, 2 wrong "
    "input, or a driver is writing there, 130 stopped."
)


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app of sweeps."""
    app.command("rescore", epilog=_EPILOG)(rescore_answers)


@interruptible()
@with_connection_options
def rescore_answers(
    sweep: StoredSweep,
    *,
    scoring: Annotated[str, typer.Option(help="Address of the scoring service, host:port.")] = "",
    local: Annotated[
        bool, typer.Option("--local", help="Start a scoring service on this machine.")
    ] = False,
    metrics: rescore_options.Metrics = None,
    case: rescore_options.Case = None,
    boundary: rescore_options.Boundary = None,
    tokenizer: rescore_options.Tokenizer = None,
    partial_match: rescore_options.PartialMatch = None,
    no_pairs: rescore_options.NoPairs = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Score again what failed to be scored for good.")
    ] = False,
    connection: Connection,
) -> None:
    """Score stored answers again by other metrics, options or references; ask no model."""
    end_as_by_ctrl_c()
    if local == bool(scoring):
        raise UserInputError("give either --local or --scoring")
    settings = read_settings(CliSettings)
    driver = load_settings()
    store, spec = open_sweep(sweep)
    choice = ScoringChoice(
        metrics=rescore_options.chosen_metrics(metrics) or spec.metrics,
        options=rescore_options.chosen_options(
            spec.scoring_options,
            case=case,
            boundary=boundary,
            tokenizer=tokenizer,
            partial_match=partial_match,
            no_pairs=no_pairs,
        ),
        retry_failed=retry_failed,
    )
    console = Console()
    security = ClientSecurity()
    if scoring:
        security = connection.security(settings, scoring=scoring)
    with ExitStack() as stack:
        if local:
            process = scoring_process(settings.log_folder, plaintext=True)
            scoring = stack.enter_context(process).address
        stack.enter_context(logging_to(None, None, settings.log_folder, spec.name))
        progress = stack.enter_context(_Display(console))
        outcome = run_stoppable(
            lambda stop: rescore(
                store,
                spec,
                choice,
                scoring=scoring,
                security=security,
                progress=progress,
                stop=stop,
                settings=driver,
            ),
            lambda message: console.print(message, markup=False),
        )
    _report(outcome, store.uri, console)
    if not rescore_options.are_the_specs(choice, spec):
        console.print(
            "the next sweep run scores as the spec says again; to keep these, put into it: "
            f"{rescore_options.as_in_a_spec(choice)}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


def _report(outcome: RescoreOutcome, output: str, console: Console) -> None:
    console.print(
        f"{outcome.answers:,} answers stored; {outcome.scored:,} scored now, {outcome.left:,} left"
        + f", {outcome.failed:,} could not be scored" * bool(outcome.failed),
        markup=False,
        highlight=False,
    )
    if outcome.changed_references:
        console.print(
            f"{outcome.changed_references:,} questions have another reference than before"
        )
    if outcome.without_reference:
        console.print(
            f"{outcome.without_reference:,} questions are in the dataset no more: their answers "
            "are left alone"
        )
    if outcome.stopped:
        raise KeyboardInterrupt
    if outcome.lost:
        console.print(
            f"scoring was given up: {outcome.lost}; run again to score the rest",
            markup=False,
            soft_wrap=True,
        )
    if outcome.left:
        raise typer.Exit(EXIT_INCOMPLETE)
    board = build_leaderboard(output)
    with printing_the_result():
        render_leaderboard(board, console)
    write_leaderboard(board, output)


class _Display:
    """A bar on a terminal, and a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("scoring"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("scoring", total=None)
        self._done = self._total = 0
        self._printed_s = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, to_score: int, answers: int) -> None:
        """Says how much there is to do."""
        self._total = to_score
        self._bar.update(self._task, total=to_score)
        self._console.print(f"{answers:,} answers stored, {to_score:,} to score")

    def scored(self, count: int) -> None:
        """Shows how much is done."""
        self._done += count
        self._bar.update(self._task, completed=self._done)
        now_s = time.monotonic()
        if not self._console.is_terminal and now_s - self._printed_s >= _LINE_INTERVAL_S:
            self._printed_s = now_s
            self._console.print(f"scored {self._done:,} of {self._total:,}")
