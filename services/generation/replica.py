"""A replica of one model, as Ray Serve runs it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.generation.catalog import ModelSpec
from services.generation.domain import EngineRequest, Explanation, ExplanationEvent
from services.generation.engines import build_engine
from services.generation.runner import ModelRunner
from services.telemetry.logging import configure_logging


class ModelReplica:
    """Hands Serve's calls to a ModelRunner; Serve replaces it when its health check fails.

    Args:
        spec: The model's catalog entry.
        delta_interval_s: Least time between two text deltas of a stream.
    """

    async def __init__(self, spec: ModelSpec, delta_interval_s: float) -> None:  # type: ignore[misc]
        # Serve awaits it: a replica counts as ready only once its model is loaded.
        configure_logging(json=True)
        self._runner = ModelRunner(spec, build_engine(spec), delta_interval_s=delta_interval_s)
        await self._runner.start()

    async def explain(self, request: EngineRequest, timeout_s: float | None) -> Explanation:
        """Generates an explanation and returns it whole."""
        return await self._runner.explain(request, timeout_s)

    async def stream(
        self, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas, then the completion."""
        async with aclosing(self._runner.stream(request, timeout_s)) as events:
            async for event in events:
                yield event

    async def revision(self) -> str:
        """Names the revision of the weights that run."""
        return self._runner.revision

    async def running_count(self) -> int:
        """Counts the generations that the engine runs or queues now."""
        return self._runner.running_count()

    async def check_health(self) -> None:
        """Raises if the engine is lost; Serve calls it every few seconds."""
        await self._runner.check_health()

    def __del__(self) -> None:
        """Ends the engine's processes; Serve calls it when it retires the replica."""
        self._runner.stop()
