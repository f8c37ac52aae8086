"""``expart sweep compact``: makes the many small files of a sweep's output few."""

from typing import Annotated

import typer
from rich.console import Console

from services.cli.interruption import interruptible
from services.core.errors import UserInputError
from services.sweep.compaction import KEEP_HOURS, compact_tables
from services.sweep.output_lock import hold_shard
from services.sweep.store import ResultStore


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app of sweeps."""
    app.command("compact")(compact)


@interruptible()
def compact(
    output: Annotated[str, typer.Argument(help="The sweep's output.", metavar="OUTPUT")],
    keep_hours: Annotated[
        int,
        typer.Option(min=0, help="Keep replaced files so long, for those who are reading them."),
    ] = KEEP_HOURS,
) -> None:
    """Join the small files of a sweep's results, as the end of a run does too.

    Shards that a driver is writing are refused; it compacts them itself.
    """
    console = Console()
    store = ResultStore(output)
    shards = store.shards()
    if not shards:
        raise UserInputError(f"{store.uri}: there is no sweep here")
    for shard in shards:
        with hold_shard(store, shard, note=console.print) as tables:
            done = compact_tables(tables, keep_hours)
        console.print(
            f"{shard.label}: {done.files_before} files are now {done.files_after}",
            soft_wrap=True,
            markup=False,
        )
