"""``expart dataset``: prepares ExpArt for sweeps, shows a file's fields, exports for training."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from services.benchmark.records import Setting, Split
from services.cli.exit_codes import EXIT_FAILED
from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.standard_output import printing_the_result
from services.core.errors import UserInputError
from services.dataset.export import ExportFormat, export
from services.dataset.inspection import inspect_file
from services.dataset.prepare import Preparation, prepare
from services.dataset.settings import DatasetSettings
from services.dataset.source import REPOSITORY, REVISION, Source
from services.rpc.read_settings import read_settings

dataset_app = typer.Typer(help="Prepare, inspect and export the dataset.", no_args_is_help=True)


# In words of our own where those of the check would not help.
_REASONS = {"contact": "up to 200 ASCII characters, without brackets, can be sent to servers"}


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    app.add_typer(dataset_app, name="dataset")


@dataset_app.callback()
def dataset() -> None:
    """Prepare, inspect and export the dataset."""


@dataset_app.command("prepare")
@interruptible()
def prepare_command(
    folder: Annotated[Path, typer.Argument(help="The folder to prepare.", metavar="FOLDER")],
    *,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder with the files, instead of the hub."),
    ] = None,
    repository: Annotated[str, typer.Option(help="Dataset of the hub.")] = REPOSITORY,
    revision: Annotated[
        str, typer.Option(help="Commit of it, or a branch or tag, which is pinned to its commit.")
    ] = REVISION,
    split: Annotated[
        list[Split] | None, typer.Option(help="File to take, repeatable.", show_default="all")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="YAML file that says which field holds what.")
    ] = None,
    images: Annotated[bool, typer.Option(help="Get the pictures too.")] = True,
    contact: Annotated[
        str | None, typer.Option(help="Your address or page, sent to the pictures' servers.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Most downloads at a time.")] = None,
    connections_per_host: Annotated[
        int | None, typer.Option(help="Most downloads at a time from one host.")
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(help="Most requests a second to one host.")
    ] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Largest picture.")] = None,
    max_pixels: Annotated[int | None, typer.Option(help="Most pixels of a picture.")] = None,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(help="Network to download from although not public, such as 10.0.0.0/8."),
    ] = None,
    retry_dead: Annotated[
        bool, typer.Option("--retry-dead", help="Try dead links again that are not worth it.")
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave faulty records out; bad_records.jsonl lists them."),
    ] = False,
) -> None:
    """Get the files and pictures, check every record, and say what is there.

    Exit code 1 if running again may bring more pictures, 2 if a record is wrong.
    """
    end_as_by_ctrl_c()
    options: dict[str, object] = {
        "contact": contact,
        "concurrency": concurrency,
        "connections_per_host": connections_per_host,
        "requests_per_second": requests_per_second,
        "max_bytes": max_bytes,
        "max_pixels": max_pixels,
        "allowed_networks": _networks(allow_network or []) or None,
    }
    job = Preparation(
        folder=folder,
        source=Source(source, repository, revision),
        splits=tuple(split or Split),
        mapping=mapping,
        with_images=images,
        retry_dead=retry_dead,
        skip_bad=skip_bad,
    )
    console = Console(stderr=True)
    result = prepare(job, _settings(options), console)
    with printing_the_result():
        print(f"{folder}: {result.held} of {result.wanted} pictures")
        if result.left_out:
            print(f"  faulty records left out: {result.left_out}")
        for reason, count in sorted(result.dead.items()):
            print(f"  dead links, {reason}: {count}")
        if result.worth_retrying:
            print(f"  worth another run: {result.worth_retrying}")
    if result.worth_retrying:
        raise typer.Exit(EXIT_FAILED)


@dataset_app.command("inspect")
@interruptible()
def inspect_command(
    file: Annotated[Path, typer.Argument(help="JSON, JSON Lines or Parquet.", metavar="FILE")],
) -> None:
    """Print a file's fields and a first guess at a mapping: as it is, a mapping's YAML file."""
    found = inspect_file(file)
    with printing_the_result():
        print(found.text, end="")
    if not found.is_complete:
        raise typer.Exit(EXIT_FAILED)


@dataset_app.command("export")
@interruptible()
def export_command(
    folder: Annotated[Path, typer.Argument(help="The prepared folder.", metavar="FOLDER")],
    out: Annotated[Path, typer.Argument(help="The file to write.", metavar="OUT")],
    *,
    shape: Annotated[
        ExportFormat, typer.Option("--format", help="What the fine-tuning tool takes.")
    ] = ExportFormat.LLAVA,
    split: Annotated[
        list[Split] | None,
        typer.Option(help="File to take, repeatable.", show_default="train"),
    ] = None,
    setting: Annotated[
        list[Setting] | None,
        typer.Option(help="Setting to take, repeatable.", show_default="both"),
    ] = None,
) -> None:
    """Write the training split for fine-tuning; pictures are relative to the prepared folder."""
    done = export(
        folder,
        out,
        shape,
        splits=tuple(split or (Split.TRAIN,)),
        settings=tuple(setting or Setting),
    )
    with printing_the_result():
        print(
            f"{out}: {done.written} examples; {done.without_picture} left out without a picture; "
            f"image folder: {folder}"
        )


def _networks(given: list[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(text) for text in given)
    except ValueError as error:
        raise UserInputError(f"--allow-network: {error}") from error


def _settings(options: dict[str, object]) -> DatasetSettings:
    """Lets options override the environment.

    Raises:
        UserInputError: A value is not allowed.
    """
    base = read_settings(DatasetSettings).model_dump()
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return DatasetSettings.model_validate({**base, **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]).replace("_", "-")
        reason = _REASONS.get(name, first["msg"])
        raise UserInputError(f"--{name}: {reason}") from error
