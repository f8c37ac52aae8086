"""Reads a source in a thread of its own, so that waiting for rows holds up nothing else."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

from services.scoring.score_file.row import BrokenRow, FileRow
from services.scoring.score_file.source import RowSource

_MAX_BATCHES = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that were read together.

    Attributes:
        rows: The rows.
        fraction: How much of the file has been read with them, 0-1; None where it is unknown.
    """

    rows: list[FileRow | BrokenRow]
    fraction: float | None


async def read_ahead(source: RowSource) -> AsyncGenerator[Batch]:
    """Yields the rows of a source, some at a time, and has the next ones read in the meantime.

    Raises whatever reading raises. The thread does not keep the process alive: it may be waiting
    for input that never comes.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Queue[Batch | Exception | None] = asyncio.Queue()  # the room bounds it
    room = threading.Semaphore(_MAX_BATCHES)
    stopped = threading.Event()

    def hand_over(what: Batch | Exception | None) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody wants any more
            loop.call_soon_threadsafe(ready.put_nowait, what)

    def read() -> None:
        try:
            for rows in source.batches():
                batch = Batch(rows, source.fraction())
                room.acquire()
                if stopped.is_set():
                    return
                hand_over(batch)
        except Exception as error:  # noqa: BLE001 - raised where it is read
            hand_over(error)
        else:
            hand_over(None)

    threading.Thread(target=read, name="row-reader", daemon=True).start()
    try:
        while (batch := await ready.get()) is not None:
            if isinstance(batch, Exception):
                raise batch
            room.release()
            yield batch
    finally:
        stopped.set()
        room.release()
