"""Runs one model's generations around its engine: deadlines, coalesced deltas, provenance."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
    InternalError,
)
from services.generation.catalog import ModelSpec
from services.generation.domain import (
    Completion,
    EngineRequest,
    EngineResult,
    Explanation,
    ExplanationEvent,
    Provenance,
    TextDelta,
)
from services.generation.engine import Engine


class ModelRunner:
    """What a replica does, without Ray.

    Args:
        spec: The model's catalog entry.
        engine: Its engine; the runner starts and stops it.
        delta_interval_s: Least time between two text deltas; the first is passed on at once.
    """

    def __init__(self, spec: ModelSpec, engine: Engine, *, delta_interval_s: float) -> None:
        self._spec = spec
        self._engine = engine
        self._delta_interval_s = delta_interval_s

    @property
    def revision(self) -> str:
        """Revision of the weights that run."""
        return self._engine.revision

    async def start(self) -> None:
        """Loads the model; ModelFailedError says why it cannot be."""
        await self._engine.start()

    def stop(self) -> None:
        """Ends the engine."""
        self._engine.stop()

    async def check_health(self) -> None:
        """Raises EngineUnavailableError if the engine is lost."""
        await self._engine.check_health()

    def running_count(self) -> int:
        """Counts the generations that the engine runs or queues now."""
        return self._engine.running_count()

    async def explain(self, request: EngineRequest, timeout_s: float | None) -> Explanation:
        """Generates a whole explanation; arguments and errors as in stream."""
        feed = _Feed()
        await self._pump(request, timeout_s, feed)
        return Explanation(feed.take(), self._complete(request, feed.result()))

    async def stream(
        self, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas as they come, then the completion.

        The generation ends at its deadline even if nobody reads on, and at once if the iterator
        is closed. Text that a slow reader has not taken is merged, so it never piles up.

        Args:
            request: What to generate.
            timeout_s: Seconds until the caller's deadline; None for no deadline.

        Raises:
            DeadlineExceededError: The deadline passed.
            EngineUnavailableError: The engine was lost before the first token.
            GenerationAbortedError: It was lost after that.
            CallerError: The request can never succeed.
        """
        feed = _Feed()
        pump = asyncio.create_task(self._pump(request, timeout_s, feed))
        pump.add_done_callback(lambda _: feed.wake())
        try:
            while not pump.done():
                await feed.wait()
                if text := feed.take():
                    yield TextDelta(text)
                    await asyncio.wait({pump}, timeout=self._delta_interval_s)
            await pump
            if text := feed.take():
                yield TextDelta(text)
            yield self._complete(request, feed.result())
        finally:
            pump.cancel()
            # The engine's place is free before this iterator counts as closed.
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, request: EngineRequest, timeout_s: float | None, feed: "_Feed") -> None:
        """Moves what the engine yields into the feed, until the end or the deadline."""
        deadline = asyncio.timeout(timeout_s)
        try:
            async with (
                deadline,
                aclosing(self._engine.generate(request)) as pieces,
            ):
                async for piece in pieces:
                    feed.add(piece)
        except TimeoutError as error:
            if not deadline.expired():
                # One of the engine's own, and no matter of the caller's deadline.
                raise
            raise DeadlineExceededError("the call's deadline passed during generation") from error
        except EngineUnavailableError as error:
            if feed.started:
                raise GenerationAbortedError(error.message, **error.metadata) from error
            raise

    def _complete(self, request: EngineRequest, result: EngineResult) -> Completion:
        return Completion(
            request_id=request.request_id,
            finish_reason=result.finish_reason,
            usage=result.usage,
            timings=result.timings,
            provenance=Provenance(
                model=self._spec.name,
                revision=self._engine.revision,
                adapter="",
                engine=self._spec.engine,
                engine_version=self._engine.version,
                dtype=self._engine.dtype,
                quantization=self._spec.quantization or "",
                sampling=result.sampling,
                image_digest=request.image.digest if request.image is not None else "",
            ),
        )


class _Feed:
    """What the engine has produced and the reader has not taken yet."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._result: EngineResult | None = None
        self._news = asyncio.Event()
        self.started = False

    def add(self, piece: str | EngineResult) -> None:
        if isinstance(piece, str):
            self._pieces.append(piece)
            self.started = True
        else:
            self._result = piece
        self._news.set()

    def wake(self) -> None:
        self._news.set()

    async def wait(self) -> None:
        """Returns once there is something new since the last wait."""
        await self._news.wait()
        self._news.clear()

    def take(self) -> str:
        """Takes the text that has come in."""
        text = "".join(self._pieces)
        self._pieces.clear()
        return text

    def result(self) -> EngineResult:
        if self._result is None:
            raise InternalError("the engine ended without a result")
        return self._result
