"""``expart leaderboard``: the table of a sweep that ran before."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.interruption import interruptible
from services.cli.standard_output import printing_the_result
from services.sweep.leaderboard import build_leaderboard, render_leaderboard, write_leaderboard


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("leaderboard")(leaderboard)


@interruptible()
def leaderboard(
    output: Annotated[Path, typer.Argument(help="The sweep's output folder.", metavar="OUTPUT")],
) -> None:
    """Print the leaderboard of a sweep, and write it as JSON and CSV into its folder."""
    board = build_leaderboard(output)
    write_leaderboard(board, output)
    with printing_the_result():
        render_leaderboard(board, Console())
