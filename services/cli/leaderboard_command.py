"""``expart leaderboard``: the table of a sweep that ran before."""

import typer
from rich.console import Console

from services.cli.interruption import interruptible
from services.cli.standard_output import printing_the_result
from services.cli.stored_sweep import StoredSweep, open_output
from services.sweep.leaderboard.leaderboard import (
    build_leaderboard,
    render_leaderboard,
    write_leaderboard,
)


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("leaderboard")(leaderboard)


@interruptible()
def leaderboard(
    sweep: StoredSweep,
) -> None:
    """Print the leaderboard of a sweep, and write it as JSON and CSV into its output."""
    output = open_output(sweep).uri
    board = build_leaderboard(output)
    with printing_the_result():
        render_leaderboard(board, Console())
    write_leaderboard(board, output)  # last: not everybody who may read may write
