r"""Runs the generation service with scripted models: no weights, no GPU, no Ray, up in a second.

For programs that call the service, and for their own tests: the contract, errors, deadlines,
cancellation, limits, health and reflection are those of the real service, since the front is the
real one; only the models are played. An answer is a function of the request, one word a token.

The first line on standard output is the address; everything else goes to standard error. The
server ends at SIGTERM, at Ctrl-C, or, with --with-parent, when its standard input is closed.
Further settings are those of the service, EXPART_GENERATION_... in the environment: TLS, tokens,
limits.

  # one model, "scripted", that answers at once
  python -m services.generation.scripted_server --port 50051

  # a slow one, of which every tenth request loses its engine after 5 tokens
  python -m services.generation.scripted_server --first-token-s 0.5 --per-token-s 0.02 \
    --fault '{"action": "fail", "after_tokens": 5, "share": 0.1}'

  # models with scripts of their own: entries with "engine: scripted"
  python -m services.generation.scripted_server --catalog my-models/

Keys of a fault:
"""

import argparse
import asyncio
import os
import signal
import sys
import textwrap
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from services.core.errors import UserInputError
from services.core.heap import collect_garbage_rarely
from services.generation.catalog import (
    Catalog,
    ModelSpec,
    ScriptedFault,
    ScriptedSpec,
    load_catalog,
)
from services.generation.catalog_errors import explain_validation_error
from services.generation.front import Front
from services.generation.scripted_models import ScriptedModels
from services.generation.settings import GenerationSettings
from services.rpc.read_settings import explain_settings_error, read_settings
from services.telemetry.logging import configure_logging
from services.telemetry.tracer import tracing

_PROGRAM = "expart-generation-scripted"
_STANDARD_INPUT = 0
_USER_ERROR_CODE = 2
_HELP_WIDTH = 96


async def serve(catalog: Catalog, settings: GenerationSettings, *, with_parent: bool) -> None:
    """Serves until told to stop; the first line on standard output is the address."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if with_parent:
        threading.Thread(target=_wait_for_end_of_input, args=(loop, stopped), daemon=True).start()
    models = ScriptedModels(catalog, delta_interval_s=settings.delta_interval_s)
    await models.start()
    front = Front(catalog, models, settings)
    try:
        port = await front.start()
        collect_garbage_rarely()
        sys.stdout.write(f"{settings.host}:{port}\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        await front.stop()
        await models.stop()


def make_catalog(options: argparse.Namespace) -> Catalog:
    """Makes the catalog that the command line asks for.

    Raises:
        UserInputError: An entry or a fault is wrong, or an entry's engine is not scripted.
    """
    if options.catalog is not None:
        if options.model or options.fault or any(_delays(options).values()):
            raise UserInputError("--catalog: its entries say what the other options would")
        catalog = load_catalog(options.catalog, options.catalog)
        for spec in catalog:
            if spec.engine != "scripted":
                raise UserInputError(
                    f"model {spec.name} has the engine {spec.engine}; here only scripted ones run"
                )
        return catalog
    try:
        faults = [_fault(text) for text in options.fault]
        script = ScriptedSpec.model_validate({**_delays(options), "faults": faults})
        specs = [
            ModelSpec(name=name, engine="scripted", max_model_len=8192, scripted=script)
            for name in options.model or ["scripted"]
        ]
    except ValidationError as error:
        raise UserInputError(explain_validation_error(error, ModelSpec)) from error
    return Catalog({spec.name: spec for spec in specs})


def make_settings(options: argparse.Namespace) -> GenerationSettings:
    """Makes the settings from the environment and the command line.

    Raises:
        UserInputError: One of them has a value that is not allowed.
    """
    read_settings(GenerationSettings)  # which names the variable that is wrong
    try:
        return GenerationSettings(host=options.host, port=options.port, drain_s=0)
    except ValidationError as error:
        raise UserInputError(explain_settings_error(error, "")) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    options = _parser().parse_args(arguments)
    configure_logging(json=False, level="WARNING", fields={"program": _PROGRAM})
    try:
        catalog = make_catalog(options)
        settings = make_settings(options)
        with tracing(_PROGRAM):
            asyncio.run(serve(catalog, settings, with_parent=options.with_parent))
    except UserInputError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return _USER_ERROR_CODE
    return 0


def _parser() -> argparse.ArgumentParser:
    keys = "\n".join(
        textwrap.fill(
            f"{name}: {field.description}",
            width=_HELP_WIDTH,
            initial_indent="  ",
            subsequent_indent="      ",
        )
        for name, field in ScriptedFault.model_fields.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m services.generation.scripted_server",
        description=f"{__doc__}{keys}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port; 0, the default, is a free one")
    parser.add_argument("--catalog", type=Path, help="folder of entries, in place of what follows")
    parser.add_argument(
        "--model", action="append", help="a model's name; may be repeated (scripted)"
    )
    parser.add_argument("--load-s", type=float, default=0.0, help="seconds until it is ready")
    parser.add_argument("--first-token-s", type=float, default=0.0, help="time to first token")
    parser.add_argument("--per-token-s", type=float, default=0.0, help="delay of each further one")
    parser.add_argument(
        "--fault", action="append", default=[], help="a fault, as JSON; may be repeated"
    )
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input is closed"
    )
    return parser


def _delays(options: argparse.Namespace) -> dict[str, float]:
    return {name: getattr(options, name) for name in ("load_s", "first_token_s", "per_token_s")}


def _fault(text: str) -> ScriptedFault:
    try:
        return TypeAdapter(ScriptedFault).validate_json(text)
    except ValidationError as error:
        reason = explain_validation_error(error, ScriptedFault)
        raise UserInputError(f"--fault {text}: {reason}") from error


def _wait_for_end_of_input(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    # In a thread: the event loop can wait for a pipe, but not for a file or /dev/null.
    with suppress(OSError):  # there is none at all
        while os.read(_STANDARD_INPUT, 4096):
            pass
    with suppress(RuntimeError):  # it has ended otherwise, and its loop with it
        loop.call_soon_threadsafe(stopped.set)


if __name__ == "__main__":
    sys.exit(main())
