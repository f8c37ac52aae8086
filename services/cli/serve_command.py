"""``expart serve``: the local stack, left up until Ctrl-C."""

import json
import signal
from typing import Annotated

import typer
from rich.console import Console

from services.cli.interruption import interruptible
from services.cli.settings import CliSettings
from services.cli.stack import local_stack


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
    # SIGTERM, as process managers send it, means the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with interruptible(), local_stack(CliSettings(), names, console, port=port) as stack:
        endpoints = stack.endpoints
        if as_json:
            addresses = {"generation": endpoints.generation, "scoring": endpoints.scoring}
            print(json.dumps(addresses), flush=True)
        console.print(f"generation service  {endpoints.generation}")
        console.print(f"scoring service     {endpoints.scoring}")
        console.print("Ctrl-C ends both.")
        try:
            stack.watch()
        except KeyboardInterrupt:
            console.print("stopping")
