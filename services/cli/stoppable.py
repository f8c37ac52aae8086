"""Runs what may be stopped: a first signal lets it save what it has, a second one ends it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TypeVar

from services.cli.exit_codes import EXIT_INTERRUPTED
from services.cli.interruption import end_as_by_ctrl_c

ResultT = TypeVar("ResultT")

_LEAVE_AT_ONCE = 2

# After a second signal: what a disk or an object store may take to end what it is writing.
_PATIENCE_S = 5.0

_SHOW_CURSOR = "\x1b[?25h"


def run_stoppable(
    start: Callable[[asyncio.Event], Coroutine[None, None, ResultT]], note: Callable[[str], None]
) -> ResultT:
    """Runs until it ends. SIGTERM and SIGHUP are as Ctrl-C, from here on.

    Args:
        start: Starts it; what it is given is set by the first Ctrl-C.
        note: Tells people what happens then.

    Raises:
        KeyboardInterrupt: There was a second Ctrl-C.
    """
    end_as_by_ctrl_c()

    async def until_done() -> ResultT:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
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
                loop.call_later(_PATIENCE_S, _leave)
            else:
                _leave()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            return await running
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    return asyncio.run(until_done())


def _leave() -> None:
    """Ends the process where the results' disk or store does not answer; what is there is whole."""
    if sys.stdout.isatty():
        os.write(1, _SHOW_CURSOR.encode())  # a display may have hidden it
    os.write(2, b"expart: interrupted\n")
    os._exit(EXIT_INTERRUPTED)
