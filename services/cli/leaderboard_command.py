"""``expart leaderboard``: the table of a sweep that ran before."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.sweep.leaderboard import build_leaderboard, render_leaderboard, write_leaderboard


def leaderboard(
    output: Annotated[Path, typer.Argument(help="The sweep's output folder.", metavar="OUTPUT")],
) -> None:
    """Print the leaderboard of a sweep, and write it as JSON and CSV into its folder."""
    board = build_leaderboard(output)
    write_leaderboard(board, output)
    render_leaderboard(board, Console())
