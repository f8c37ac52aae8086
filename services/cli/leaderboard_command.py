"""``expart leaderboard``: the table of a sweep that ran before."""

from typing import Annotated

import typer
from rich.console import Console

from services.cli.interruption import interruptible
from services.cli.standard_output import printing_the_result
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
    output: Annotated[
        str, typer.Argument(help="The sweep's output: a folder or a URI.", metavar="OUTPUT")
    ],
) -> None:
    """Print the leaderboard of a sweep, and write it as JSON and CSV into its output."""
    board = build_leaderboard(output)
    write_leaderboard(board, output)
    with printing_the_result():
        render_leaderboard(board, Console())
