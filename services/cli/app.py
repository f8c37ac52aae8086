"""Parses the command line, and turns errors into one line and a code.

Exit codes: 0 done, 1 a service or the storage failed or a sweep ended with unfinished questions,
2 wrong input (a token or certificates that a service refuses, too), 130 interrupted.
"""

import sys
from collections.abc import Sequence

import typer

from services.cli.called_command import Command, add_called
from services.cli.exit_codes import EXIT_FAILED, EXIT_WRONG_INPUT
from services.cli.settings import compute_on_one_thread, quieten_grpc, return_freed_memory
from services.core.errors import (
    ExpArtError,
    PermissionDeniedError,
    StorageError,
    UnauthenticatedError,
    UserInputError,
)

# The user must change what the command is given: an argument, a file, a token, a certificate.
_WRONG_INPUT = (UserInputError, UnauthenticatedError, PermissionDeniedError)

_REPORT = "report"

_COMMANDS = {
    "serve": Command("services.cli.serve_command", "Start both services on this machine."),
    "models": Command("services.cli.models_command", "List and check the model catalog."),
    "dataset": Command("services.cli.dataset_command", "Prepare, inspect and export the dataset."),
    "sweep": Command("services.cli.sweep_command", "Run sweeps.", has_commands=True),
    "plan-capacity": Command(
        "services.cli.capacity_command", "Say what a sweep needs on a cluster, and how long."
    ),
    "score": Command("services.cli.score_command", "Score the rows of a file by the metrics."),
    "leaderboard": Command(
        "services.cli.leaderboard_command", "Print and write the leaderboard of a sweep."
    ),
    _REPORT: Command(
        "services.cli.report_command", "Write a report of sweeps, or compare two of them."
    ),
}


def run(arguments: Sequence[str]) -> int:
    """Runs the command with these arguments and returns its exit code."""
    return run_app(make_app(arguments), arguments)


def make_app(arguments: Sequence[str]) -> typer.Typer:
    """Makes the app; of the commands it loads only the one that is called."""
    # Libraries look at these when they are first imported.
    quieten_grpc()
    is_report = _REPORT in arguments[:1]
    # A report computes with large arrays that come and go, and ends soon.
    return_freed_memory(large_blocks=not is_report)
    if is_report:
        compute_on_one_thread()
    app = typer.Typer(
        name="expart",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(expart)
    add_called(app, _COMMANDS, arguments)
    return app


def expart() -> None:
    """Serve large vision-language models, sweep ExpArt over them, and read the results."""


def run_app(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Runs an app that was made for these arguments and returns its exit code."""
    try:
        app(list(arguments), prog_name="expart")
    except SystemExit as end:
        return int(end.code or 0)
    except ExpArtError as error:
        print(f"expart: error: {error.message}", file=sys.stderr)
        return _exit_code(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"expart: error: {place}{error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _exit_code(error: ExpArtError) -> int:
    is_wrong = isinstance(error, _WRONG_INPUT) and not isinstance(error, StorageError)
    return EXIT_WRONG_INPUT if is_wrong else EXIT_FAILED
