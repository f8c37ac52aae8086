"""Runs what may be stopped: a first signal lets it save what it has, a second one ends it."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import TypeVar

from services.cli.exit_codes import EXIT_INTERRUPTED

ResultT = TypeVar("ResultT")

_LEAVE_AT_ONCE = 2


def run_stoppable(
    start: Callable[[asyncio.Event], Coroutine[None, None, ResultT]], note: Callable[[str], None]
) -> ResultT:
    """Runs until it ends.

    Args:
        start: Starts it; what it is given is set by the first Ctrl-C or SIGTERM.
        note: Tells people what happens then.

    Raises:
        KeyboardInterrupt: There was a second signal.
    """

    async def until_done() -> ResultT:
        stop = asyncio.Event()
        running = asyncio.ensure_future(start(stop))
        signals = 0

        def interrupt() -> None:
            nonlocal signals
            signals += 1
            if signals == 1:
                note("stopping: saving what is done (Ctrl-C again leaves at once)")
                stop.set()
            elif signals == _LEAVE_AT_ONCE:
                running.cancel()
            else:  # the results' disk or store does not answer; what is there is whole
                os._exit(EXIT_INTERRUPTED)

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        try:
            return await running
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    return asyncio.run(until_done())
