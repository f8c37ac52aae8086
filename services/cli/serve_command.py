"""``expart serve``: the local stack, left up until Ctrl-C."""

import json
from typing import Annotated

import typer
from rich.console import Console

from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.settings import CliSettings
from services.cli.stack import local_stack
from services.cli.standard_output import printing_the_result
from services.rpc.read_settings import read_settings


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("serve")(serve)


@interruptible()
def serve(
    model: Annotated[
        list[str] | None, typer.Option(help="Model of the catalog; repeat it for several.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the generation service; 0: a free one.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one JSON line.")
    ] = False,
) -> None:
    """Start the generation and the scoring service on this machine; Ctrl-C ends both."""
    console = Console(stderr=as_json)
    names = tuple(model or ("demo-smol", "demo-tiny"))
    end_as_by_ctrl_c()
    settings = read_settings(CliSettings)
    with local_stack(settings, names, console, port=port) as stack:
        endpoints = stack.endpoints
        if as_json:
            addresses = {"generation": endpoints.generation, "scoring": endpoints.scoring}
            with printing_the_result():
                print(json.dumps(addresses))
        console.print(f"generation service  {endpoints.generation}")
        console.print(f"scoring service     {endpoints.scoring}")
        console.print("Ctrl-C ends both.")
        try:
            stack.watch()
        except KeyboardInterrupt:
            console.print("stopping")
