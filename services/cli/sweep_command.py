"""``expart sweep``: asks models the questions of a spec, and scores what they say."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli import connection_options
from services.cli.catalog_directory import CatalogDirectory
from services.cli.interruption import interruptible
from services.cli.settings import CliSettings
from services.cli.stack import local_catalog, local_stack
from services.core.errors import UserInputError
from services.rpc.read_settings import read_settings
from services.sweep.clients import served_models
from services.sweep.directory import ModelDirectory
from services.sweep.endpoints import Endpoints
from services.sweep.leaderboard import build_leaderboard, render_leaderboard, write_leaderboard
from services.sweep.outcome import SweepOutcome
from services.sweep.plan import SweepPlan
from services.sweep.prepare import plan_sweep
from services.sweep.progress import console_progress
from services.sweep.runner import record_plan, run_sweep
from services.sweep.spec import load_spec
from services.telemetry.logging import configure_logging

# Questions are left that this run could not settle; running again asks them.
EXIT_INCOMPLETE = 1

sweep_app = typer.Typer(help="Run sweeps.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    app.add_typer(sweep_app, name="sweep")


@sweep_app.callback()
def sweep() -> None:
    """Run sweeps."""


@sweep_app.command("run")
@interruptible()
def run(  # noqa: PLR0917 - typer passes them by name
    spec_file: Annotated[Path, typer.Argument(help="The sweep's YAML file.", metavar="SPEC")],
    generation: Annotated[
        str, typer.Option(help="Address of the generation service, host:port.")
    ] = "",
    scoring: Annotated[str, typer.Option(help="Address of the scoring service, host:port.")] = "",
    local: Annotated[
        bool, typer.Option("--local", help="Start both services on this machine, if needed.")
    ] = False,
    tls: connection_options.Tls = False,
    tls_ca: connection_options.TlsCa = None,
    tls_certificate: connection_options.TlsCertificate = None,
    tls_key: connection_options.TlsKey = None,
    tls_server_name: connection_options.TlsServerName = "",
    token_file: connection_options.TokenFile = None,
) -> None:
    """Ask what is not answered yet, score it, and print the leaderboard."""
    if local == bool(generation or scoring) or bool(generation) != bool(scoring):
        raise UserInputError("give either --local, or both --generation and --scoring")
    console = Console()
    settings = read_settings(CliSettings)
    spec = load_spec(spec_file)
    endpoints = None
    if not local:
        connection_options.check_address("--generation", generation)
        connection_options.check_address("--scoring", scoring)
        security = connection_options.client_security(
            settings,
            tls=tls,
            tls_ca=tls_ca,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            tls_server_name=tls_server_name,
            token_file=token_file,
        )
        connection_options.note_clear_token(security, generation, scoring)
        endpoints = Endpoints(generation=generation, scoring=scoring, security=security)
    directory: ModelDirectory = (
        CatalogDirectory(local_catalog())
        if endpoints is None
        else asyncio.run(served_models(endpoints.generation, endpoints.security))
    )
    plan = plan_sweep(spec, directory)
    console.print(plan.summary(), soft_wrap=True, markup=False)
    complete = True
    if plan.has_work:
        with ExitStack() as stack:
            if endpoints is None:
                names = tuple(dict.fromkeys(choice.model for choice in spec.models))
                endpoints = stack.enter_context(
                    local_stack(settings, names, console, plaintext=True)
                ).endpoints
            stack.enter_context(_log_file(settings.log_folder))
            complete = _run(plan, endpoints, console).complete
    else:
        record_plan(plan)
    board = build_leaderboard(spec.output)
    write_leaderboard(board, spec.output)
    render_leaderboard(board, console)
    console.print(f"results: {spec.output}", soft_wrap=True, markup=False)
    if not complete:
        raise typer.Exit(EXIT_INCOMPLETE)


@contextmanager
def _log_file(folder: Path) -> Iterator[None]:
    """Sends log events to a file, so that they do not break the progress display."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "sweep.log").open("a", encoding="utf-8") as stream:
        configure_logging(json=True, stream=stream)
        yield


def _run(plan: SweepPlan, endpoints: Endpoints, console: Console) -> SweepOutcome:
    """Runs the plan; the first Ctrl-C saves what is done, the second leaves at once.

    Raises:
        KeyboardInterrupt: It was stopped; everything that had arrived is stored.
    """

    async def until_done_or_stopped() -> SweepOutcome:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            console.print("stopping: saving what is done (Ctrl-C again leaves at once)")
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        with console_progress(console) as progress:
            outcome = await run_sweep(plan, endpoints, progress, stop)
        if outcome.stopped:
            raise KeyboardInterrupt
        return outcome

    return asyncio.run(until_done_or_stopped())
