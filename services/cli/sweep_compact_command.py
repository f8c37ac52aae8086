"""``expart sweep compact``: makes the many small files of a sweep's output few."""

from typing import Annotated

import typer
from rich.console import Console

from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.settings import CliSettings
from services.cli.stored_sweep import StoredSweep, open_output
from services.cli.sweep_log import logging_to
from services.core.errors import UserInputError
from services.rpc.read_settings import read_settings
from services.sweep.results.compaction import KEEP_HOURS, compact_tables
from services.sweep.results.lease import ShardTakenError
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app of sweeps."""
    app.command("compact")(compact)


@interruptible()
def compact(
    sweep: StoredSweep,
    keep_hours: Annotated[
        int,
        typer.Option(min=0, help="Keep replaced files so long, for those who are reading them."),
    ] = KEEP_HOURS,
) -> None:
    """Join the small files of a sweep's results, as the end of a run does too.

    Shards that a driver is writing are left to it: it joins their files itself.
    """
    end_as_by_ctrl_c()
    console = Console()
    store = open_output(sweep)
    shards = store.shards()
    if not shards:
        raise UserInputError(f"{store.uri}: there is no sweep here")
    with logging_to(None, None, read_settings(CliSettings).log_folder):
        for shard in shards:
            line = _compact(store, shard, keep_hours, console)
            console.print(line, soft_wrap=True, markup=False, highlight=False)


def _compact(store: ResultStore, shard: Shard, keep_hours: int, console: Console) -> str:
    """Compacts a shard; gives a line that says what came of it."""
    try:
        with hold_shard(store, shard, note=console.print) as tables:
            done = compact_tables(tables, keep_hours)
    except ShardTakenError:
        return f"{shard.label}: skipped, a driver is writing it and joins its files itself"
    if done.files_before == done.files_after:
        return f"{shard.label}: {done.files_before} files, which need no joining"
    return f"{shard.label}: {done.files_before} files are now {done.files_after}"
