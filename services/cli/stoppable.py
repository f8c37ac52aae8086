"""Runs what may be stopped: a first signal lets it save what it has, a second one ends it."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType
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

    After a second Ctrl-C the process ends within a few seconds, whatever still hangs then.

    Args:
        start: Starts it; what it is given is set by the first Ctrl-C.
        note: Tells people what happens then.

    Raises:
        KeyboardInterrupt: There was a second Ctrl-C.
    """
    end_as_by_ctrl_c()
    before = signal.getsignal(signal.SIGINT)

    async def until_done() -> ResultT:
        stop = asyncio.Event()
        running = asyncio.ensure_future(start(stop))
        # Not the loop's own handlers: they come too late where the loop does not get its turn.
        interruption = _Interruption(asyncio.get_running_loop(), stop, running, note)
        signal.signal(signal.SIGINT, interruption.take)
        try:
            result = await running
        except asyncio.CancelledError:
            # The time goes on: the last that is written may hang too.
            raise KeyboardInterrupt from None
        interruption.is_over()
        return result

    try:
        return asyncio.run(until_done())
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


class _Interruption:
    """Takes the signals of one run.

    Args:
        loop: The run's event loop.
        stop: Set by the first signal.
        running: Cancelled by the second one.
        note: Told of the first one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stop: asyncio.Event,
        running: "asyncio.Future[ResultT]",
        note: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._stop = stop
        self._cancel = running.cancel
        self._note = note
        self._count = 0
        self._leaving = threading.Timer(_PATIENCE_S, _leave)
        self._leaving.daemon = True

    def take(self, number: int, frame: FrameType | None) -> None:
        """Takes a signal, in the middle of whatever the program's main thread does."""
        del number, frame
        self._count += 1
        if self._loop.is_closed():
            raise KeyboardInterrupt
        if self._count == 1:
            self._loop.call_soon_threadsafe(self._begin_to_stop)
        elif self._count == _LEAVE_AT_ONCE:
            self._leaving.start()
            self._loop.call_soon_threadsafe(self._cancel)
        else:
            _leave()

    def is_over(self) -> None:
        """Takes back that the process is to be ended: the run came to its end after all."""
        self._leaving.cancel()

    def _begin_to_stop(self) -> None:
        self._stop.set()
        # The terminal may be gone: that is when SIGHUP comes.
        with suppress(OSError, SystemExit):
            self._note("stopping: saving what is done (Ctrl-C again leaves at once)")


def _leave() -> None:
    """Ends the process where the results' disk or store does not answer; what is there is whole."""
    with suppress(OSError):
        if sys.stdout.isatty():
            os.write(1, _SHOW_CURSOR.encode())  # a display may have hidden it
        os.write(2, b"expart: interrupted\n")
    os._exit(EXIT_INTERRUPTED)
