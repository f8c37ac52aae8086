"""``expart sweep``: asks models the questions of a spec, and scores what they say."""

from collections.abc import Sequence

import typer

from services.cli.called_command import Command, add_called

_COMMANDS = {
    "plan": Command("services.cli.sweep_plan_command", "Print what a sweep would do."),
    "run": Command("services.cli.sweep_run_command", "Ask and score what is not done yet."),
    "status": Command("services.cli.sweep_status_command", "Print how far a sweep is."),
    "verify": Command(
        "services.cli.sweep_verify_command", "Check that each planned question is there once."
    ),
    "rescore": Command(
        "services.cli.sweep_rescore_command", "Score stored answers again, otherwise."
    ),
    "compact": Command("services.cli.sweep_compact_command", "Join small files of the results."),
}


def add_to(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Adds to the app the command of sweeps that the arguments after ``sweep`` call."""
    sweep_app = typer.Typer(help="Run sweeps.", no_args_is_help=True)
    # A callback makes it a group even where it holds one command only.
    sweep_app.callback()(sweep)
    add_called(sweep_app, _COMMANDS, arguments)
    app.add_typer(sweep_app, name="sweep")


def sweep() -> None:
    """Run sweeps."""
