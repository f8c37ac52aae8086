"""Holds a shard for as long as a task needs it, while the event loop goes on."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

from services.sweep.results.output_lock import hold_shard, silent
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.run.threads import in_thread
from services.sweep.spec.sharding import Shard


@asynccontextmanager
async def holding(
    store: ResultStore, shard: Shard, note: Callable[[str], None] = silent, *, to_ask: bool = False
) -> AsyncIterator[ResultTables]:
    """Holds a shard as ``hold_shard`` does, and takes and gives it back in a thread.

    In an object store, whoever held it before may have to be waited for, and the store itself as
    well. Cancelled meanwhile, it gives back what it was about to take.

    Args:
        store: The output.
        shard: The shard.
        note: Told, in a line for people, when there is something to wait for.
        to_ask: Whether questions are going to be asked.

    Raises:
        ShardTakenError: Another driver is writing there.
        UserInputError: The output cannot be written.
    """
    held = ExitStack()
    try:
        yield await in_thread(
            lambda: held.enter_context(hold_shard(store, shard, to_ask=to_ask, note=note))
        )
    finally:
        await in_thread(held.close)
