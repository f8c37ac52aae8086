"""One generation at an engine: what it has produced, and the watchdog that ends it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import Context
from types import TracebackType
from typing import Self

from services.core.errors import (
    EngineUnavailableError,
    GenerationAbortedError,
    InternalError,
    ServiceError,
)
from services.generation.domain import EngineResult
from services.generation.engine_watch import EngineWatch

# An engine that does as it is told needs a turn or two of the event loop.
_LETS_GO_AT_ONCE_S = 0.1


class EngineCall:
    """Runs a generation in a task of its own, and ends it for whoever reads at the first of these.

    The engine is done, it fails, it hangs, the time is up, or the reader leaves the context. All
    but the first two tell the engine to end; the reader never waits for an engine that does not.

    Args:
        model: Name for messages.
        pieces: What the engine yields; not begun.
        watch: Judges the engine.
        timeout_s: Seconds that the generation may take.
        too_late: What it ends with then.
        context: What the engine's work is part of; by default what the reader's is.
    """

    def __init__(
        self,
        model: str,
        pieces: AsyncGenerator[str | EngineResult, None],
        watch: EngineWatch,
        *,
        timeout_s: float,
        too_late: ServiceError,
        context: Context | None = None,
    ) -> None:
        self._model = model
        self._pieces = pieces
        self._watch = watch
        self._timeout_s = timeout_s
        self._too_late = too_late
        self._context = context
        self._texts: list[str] = []
        self._result: EngineResult | None = None
        self._has_started = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._pump(), context=self._context)
        self._task.add_done_callback(self._note_end)
        # Timers and not the reader's own waits: a reader may stop reading.
        self._deadline = loop.call_later(self._timeout_s, self._end, self._too_late)
        self._stall = loop.call_later(self._watch.stalls_in_s(), self._look)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deadline.cancel()
        self._stall.cancel()
        self._let_go()
        if not self._task.done():
            # The engine's place is free before the caller counts as answered.
            await asyncio.wait({self._task}, timeout=_LETS_GO_AT_ONCE_S)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._over.is_set()

    async def news(self) -> None:
        """Returns once there is something new since the last wait, the end included."""
        await self._news.wait()
        self._news.clear()

    async def end(self, within_s: float | None = None) -> None:
        """Returns once nothing more will come, or after ``within_s`` seconds."""
        try:
            async with asyncio.timeout(within_s):
                await self._over.wait()
        except TimeoutError:
            return

    def take(self) -> str:
        """Takes the text that has come in."""
        text = "".join(self._texts)
        self._texts.clear()
        return text

    def result(self) -> EngineResult:
        """Gives what the engine said at the end, or raises what ended the generation instead."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise InternalError("the engine ended without a result")
        return self._result

    async def _pump(self) -> None:
        with self._watch.working():
            async with aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    self._watch.heard()
                    if self.is_over:
                        # It was told to end and goes on: closing it is a second way to say so.
                        return
                    self._add(piece)

    def _add(self, piece: str | EngineResult) -> None:
        if isinstance(piece, str):
            self._texts.append(piece)
            self._has_started = True
        else:
            self._result = piece
        self._news.set()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self.is_over:
            return
        self._watch.heard()
        if task.cancelled():
            # Nobody told it to: the engine lost something that it waited for.
            error = EngineUnavailableError(f"the engine of {self._model} gave the request up")
        if isinstance(error, EngineUnavailableError):
            error = self._lost(error)
        self._finish(error)

    def _look(self) -> None:
        left_s = self._watch.stalls_in_s()
        if left_s > 0:
            self._stall = asyncio.get_running_loop().call_later(left_s, self._look)
            return
        message = f"the engine of {self._model} {self._watch.complaint()} and is being replaced"
        self._end(self._lost(EngineUnavailableError(message, model=self._model)))

    def _lost(self, error: EngineUnavailableError) -> ServiceError:
        if not self._has_started:
            return error
        aborted = GenerationAbortedError(error.message, **error.metadata)
        aborted.__cause__ = error
        return aborted

    def _end(self, error: BaseException) -> None:
        if not self.is_over:
            self._finish(error)
            self._let_go()

    def _finish(self, error: BaseException | None) -> None:
        self._error = error
        self._over.set()
        self._news.set()

    def _let_go(self) -> None:
        self._over.set()
        if self._task.cancel():
            self._watch.told_to_end(self._task)
