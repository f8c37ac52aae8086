"""``expart sweep plan``: what a sweep would do now, without doing it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.catalog_directory import CatalogDirectory
from services.cli.connection_options import Connection, with_connection_options
from services.cli.interruption import interruptible
from services.cli.settings import CliSettings
from services.cli.stack import local_catalog
from services.cli.standard_output import printing_the_result
from services.cli.sweep_options import ShardCount, ShardIndex, chosen_shard
from services.cli.sweep_plan_display import print_report
from services.rpc.read_settings import read_settings
from services.sweep.plan.directory import ModelDirectory
from services.sweep.plan.estimate import GivenRates
from services.sweep.plan.prepare import plan_sweep
from services.sweep.plan.report import as_json, report_on
from services.sweep.remote.listing import served_models
from services.sweep.spec.spec import load_spec

_WIDE_COLUMNS = 160


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app of sweeps."""
    app.command("plan")(plan)


@interruptible()
@with_connection_options
def plan(  # noqa: PLR0917 - typer passes them by name
    spec_file: Annotated[Path, typer.Argument(help="The sweep's YAML file.", metavar="SPEC")],
    generation: Annotated[
        str,
        typer.Option(
            help="Ask this generation service, host:port, for the models' revisions.",
            show_default="the local catalog",
        ),
    ] = "",
    shard_index: ShardIndex = None,
    shard_count: ShardCount = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Plan what failed for good again.")
    ] = False,
    questions_per_s: Annotated[
        float | None, typer.Option(min=0.001, help="Answers a second of each model.")
    ] = None,
    image_tokens: Annotated[
        float | None, typer.Option(min=0, help="Tokens that a picture takes.")
    ] = None,
    output_tokens: Annotated[
        float | None, typer.Option(min=1, help="Tokens that an answer takes.")
    ] = None,
    as_document: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    *,
    connection: Connection,
) -> None:
    """Print what a sweep would ask, what it would take, and what is done already.

    The time comes from the rates given here, or else from the answers that are stored already,
    or else from assumptions that are printed with it.
    """
    spec = load_spec(spec_file)
    shard = chosen_shard(shard_index, shard_count)
    directory: ModelDirectory
    if not generation:
        directory = CatalogDirectory(local_catalog(), unknown=_remark)
    else:
        security = connection.security(read_settings(CliSettings), generation=generation)
        directory = asyncio.run(served_models(generation, security))
    given = GivenRates(questions_per_s, image_tokens, output_tokens)
    report = report_on(plan_sweep(spec, directory, shard, retry_failed=retry_failed), given)
    with printing_the_result():
        if as_document:
            print(as_json(report))
        else:
            print_report(report, _console())


def _remark(text: str) -> None:
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def _console() -> Console:
    """A console that is wide where nobody's terminal is narrow: in a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE_COLUMNS)
