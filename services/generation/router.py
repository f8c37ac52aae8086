"""How the front reaches the models, wherever they run."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Protocol

from services.core.errors import EngineUnavailableError, GenerationAbortedError
from services.generation.domain import (
    EngineRequest,
    Explanation,
    ExplanationEvent,
    ModelCondition,
    ModelState,
)
from services.generation.runner import ModelRunner


class ModelRouter(Protocol):
    """Sends a request to a replica of a model that the catalog holds.

    Errors are those of :class:`services.generation.runner.ModelRunner`; cancelling a call, or
    closing an iterator, ends the generation.
    """

    async def explain(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> Explanation:
        """Generates an explanation and returns it whole."""

    def stream(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas, then the completion."""

    async def conditions(self) -> Mapping[str, ModelCondition]:
        """Says how every model is now, by name. May ask other processes."""


@contextmanager
def never_unanswered(model: str, has_begun: Callable[[], bool]) -> Iterator[None]:
    """Turns a cancellation that came from the replica's side into an error.

    As a cancellation it would end the call here as if its caller had left, and gRPC would send a
    caller who has not left no answer at all.

    Args:
        model: Who was called.
        has_begun: Whether text has come.

    Raises:
        EngineUnavailableError: Before there was text.
        GenerationAbortedError: Afterwards.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        kind = GenerationAbortedError if has_begun() else EngineUnavailableError
        raise kind(f"the replica of model {model} gave the call up", model=model) from None


class LocalRouter:
    """Runs the models in this process, without Ray: for tests and for clients' own tests."""

    def __init__(self, runners: Mapping[str, ModelRunner]) -> None:
        self._runners = runners
        self._loaded: set[str] = set()

    async def start(self) -> None:
        """Loads every model."""
        await asyncio.gather(*(self._load(name) for name in self._runners))

    async def stop(self) -> None:
        """Ends every engine."""
        for runner in self._runners.values():
            runner.stop()

    async def explain(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> Explanation:
        """Generates an explanation and returns it whole."""
        return await self._runners[model].explain(request, timeout_s)

    async def stream(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas, then the completion."""
        async with aclosing(self._runners[model].stream(request, timeout_s)) as events:
            async for event in events:
                yield event

    async def conditions(self) -> Mapping[str, ModelCondition]:
        """Says how every model is now."""
        return {
            name: ModelCondition(
                state=ModelState.READY if name in self._loaded else ModelState.LOADING,
                reason="" if name in self._loaded else "the model is being loaded",
                ready_replica_count=int(name in self._loaded),
                revision=runner.revision,
                adapter_revisions=runner.adapter_revisions,
            )
            for name, runner in self._runners.items()
        }

    async def _load(self, name: str) -> None:
        await self._runners[name].start()
        self._loaded.add(name)
