"""``expart sweep run``: asks what is left to ask, and scores it."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.connection_options import Connection, with_connection_options
from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.settings import CliSettings
from services.cli.stoppable import run_stoppable
from services.cli.sweep_log import LogFormat, logging_to, sweep_progress
from services.cli.sweep_options import MetricsPort, ShardCount, ShardIndex, chosen_shard
from services.cli.sweep_services import SweepServices, chosen_endpoints
from services.cli.sweep_watchers import show_costs, sweep_watchers
from services.core.errors import UserInputError
from services.core.heap import collect_garbage_rarely
from services.rpc.read_settings import read_settings
from services.sweep.leaderboard.leaderboard import (
    build_leaderboard,
    render_leaderboard,
    write_leaderboard,
)
from services.sweep.plan.plan import SweepPlan
from services.sweep.plan.prepare import plan_sweep
from services.sweep.progress.outcome import SweepOutcome
from services.sweep.progress.progress import SweepProgress
from services.sweep.progress.status import StatusProgress
from services.sweep.results.memory import give_back_memory
from services.sweep.results.store import ResultStore
from services.sweep.run.runner import record_plan, run_sweep
from services.sweep.run.settings import load_settings
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec, load_spec

# Questions are left that this run could not settle; running again asks them.
EXIT_INCOMPLETE = 1

_EPILOG = (
    "Exit codes: 0 every question is settled (answered and scored, or refused for good); 1 a "
    "service or the storage failed, or questions are left, which the same command asks; 2 wrong "
    "input, or another driver is writing there; 130 stopped by Ctrl-C or SIGTERM, "
    "with everything stored that had arrived. A first signal lets what is in flight end, for "
    "EXPART_SWEEP_DRAIN_S seconds at most; a second one leaves at once."
)


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app of sweeps."""
    app.command("run", epilog=_EPILOG)(run)


@interruptible()
@with_connection_options
def run(  # noqa: PLR0917 - typer passes them by name
    spec_file: Annotated[Path, typer.Argument(help="The sweep's YAML file.", metavar="SPEC")],
    generation: Annotated[
        str, typer.Option(help="Address of the generation service, host:port.")
    ] = "",
    scoring: Annotated[str, typer.Option(help="Address of the scoring service, host:port.")] = "",
    local: Annotated[
        bool, typer.Option("--local", help="Start both services on this machine, if needed.")
    ] = False,
    shard_index: ShardIndex = None,
    shard_count: ShardCount = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again what failed for good.")
    ] = False,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            help="Write log events, progress among them, to standard error or --log-file.",
            show_default="json, to sweep.log in EXPART_CLI_LOG_FOLDER",
        ),
    ] = None,
    log_file: Annotated[
        Path | None, typer.Option(help="File that log events are appended to.")
    ] = None,
    metrics_port: MetricsPort = None,
    *,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Write a report at the end, as expart report does, and print it instead of the "
            "leaderboard.",
        ),
    ] = False,
    connection: Connection,
) -> None:
    """Ask what is not answered yet, score it, and print the leaderboard."""
    end_as_by_ctrl_c()
    console = Console()
    settings = read_settings(CliSettings)
    endpoints = chosen_endpoints(
        settings, connection, local=local, generation=generation, scoring=scoring
    )
    patience_s = load_settings().max_wait_s  # what is wrong there is said before anything is read
    spec = load_spec(spec_file)
    shard = chosen_shard(shard_index, shard_count)
    services = SweepServices(spec, endpoints, settings, console)
    directory = services.directory(patience_s)
    with logging_to(log_format, log_file, settings.log_folder, spec.name):
        plan = plan_sweep(spec, directory, shard, retry_failed=retry_failed)
        console.print(plan.summary(), soft_wrap=True, markup=False)
        left = ""
        if plan.has_work:
            shown = sweep_progress(log_format, log_file, console)
            left = _run(plan, services, shown, metrics_port)
        else:
            # Whoever looks at the status must not find there how an earlier driver ended.
            with StatusProgress(ResultStore(spec.output), shard, spec.name) as status:
                record_plan(plan, status)
            console.print("nothing to do: every question is settled", markup=False)
        if plan.left_out:
            left = "; ".join(filter(None, [left, f"without {', '.join(plan.left_out)}"]))
        spec = plan.spec
        del plan  # at 300,000 questions it takes as much memory as what follows
        _end(spec, shard, left, console, with_report=report)


def _end(spec: SweepSpec, shard: Shard, left: str, console: Console, *, with_report: bool) -> None:
    """Shows the results, and what is left to do.

    Raises:
        Exit: Something is.
        UserInputError: The results of a complete sweep cannot be shown.
    """
    if not left:
        _show_results(spec, shard, console, with_report=with_report)
        return
    try:
        _show_results(spec, shard, console, with_report=with_report)
    except UserInputError as error:  # such as scores that are not all of one kind yet
        typer.echo(error.message, err=True)
    typer.echo(f"not complete: {left}; the same command does the rest", err=True)
    raise typer.Exit(EXIT_INCOMPLETE)


def _show_results(spec: SweepSpec, shard: Shard, console: Console, *, with_report: bool) -> None:
    output = spec.output
    give_back_memory()
    show_costs(spec, console)
    if shard.count > 1:
        shown = "report" if with_report else "leaderboard"
        console.print(
            f"results: {output}, shard {shard.label}; expart {shown} {output} shows those of all "
            "shards",
            soft_wrap=True,
            markup=False,
        )
        return
    give_back_memory()
    board = build_leaderboard(output)
    if not with_report:
        render_leaderboard(board, console)
    write_leaderboard(board, output)  # last: a disk may be full, and everything else is said
    if with_report:
        give_back_memory()
        # Late: what draws charts and packs answers is not loaded while questions are asked.
        from services.cli.report_writing import print_new_report  # noqa: PLC0415 - as said above

        print_new_report(output, console)
    console.print(f"results: {output}", soft_wrap=True, markup=False)


def _run(
    plan: SweepPlan,
    services: SweepServices,
    shown: AbstractContextManager[SweepProgress],
    metrics_port: int | None,
) -> str:
    """Runs the plan, and says what is left of it; the plan is nobody's afterwards but the caller's.

    Raises:
        KeyboardInterrupt: It was stopped; everything that had arrived is stored.
    """
    with (
        services.running() as endpoints,
        shown as display,
        sweep_watchers(plan, display, metrics_port) as progress,
    ):
        collect_garbage_rarely()
        outcome = run_stoppable(
            lambda stop: run_sweep(plan, endpoints, progress, stop), progress.note
        )
        if outcome.stopped:
            _note_stopped(outcome, progress)
            raise KeyboardInterrupt
    return outcome.left


def _note_stopped(outcome: SweepOutcome, progress: SweepProgress) -> None:
    planned = sum(model.planned for model in outcome.models)
    settled = planned - outcome.unasked - outcome.to_ask_again
    progress.note(
        f"stopped: {settled:,} of {planned:,} questions are settled and "
        "stored; the same command goes on"
    )
