"""``expart sweep``: asks models the questions of a spec, and scores what they say."""

import typer

from services.cli import (
    sweep_compact_command,
    sweep_plan_command,
    sweep_rescore_command,
    sweep_run_command,
    sweep_status_command,
    sweep_verify_command,
)

sweep_app = typer.Typer(help="Run sweeps.", no_args_is_help=True)
sweep_plan_command.add_to(sweep_app)
sweep_run_command.add_to(sweep_app)
sweep_status_command.add_to(sweep_app)
sweep_verify_command.add_to(sweep_app)
sweep_rescore_command.add_to(sweep_app)
sweep_compact_command.add_to(sweep_app)


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    app.add_typer(sweep_app, name="sweep")


@sweep_app.callback()
def sweep() -> None:
    """Run sweeps."""
