"""Threads that are waited for to their end, whoever cancels the waiting."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


async def ended(working: "asyncio.Future[ResultT]") -> asyncio.CancelledError | None:
    """Waits until a thread has done its work, which cannot be interrupted.

    Args:
        working: The work, as ``run_in_executor`` returns it. A task would not do: the end of a
            program cancels every task, and the thread would work on alone.

    Returns:
        The cancellation that came meanwhile, to be raised when what the work did is dealt with.
    """
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


async def in_thread(call: Callable[[], ResultT]) -> ResultT:
    """Calls in a thread; where that is cancelled, raises so only after the call has ended.

    Raises:
        Exception: What the call raised.
    """
    working = asyncio.get_running_loop().run_in_executor(None, call)
    cancelled = await ended(working)
    result = working.result()
    if cancelled is not None:
        raise cancelled
    return result
