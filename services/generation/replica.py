"""A replica of one model, as Ray Serve runs it."""

import asyncio
import faulthandler
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from services.generation.catalog import ModelSpec
from services.generation.domain import EngineRequest, Explanation, ExplanationEvent
from services.generation.engine_watch import GenerationLimits
from services.generation.engines import build_engine
from services.generation.runner import ModelRunner
from services.generation.standard_streams import use_own_standard_streams
from services.telemetry.logging import configure_logging
from services.telemetry.tracer import start_tracing, stop_tracing

PROGRAM = "expart-generation-replica"

_log = structlog.get_logger()


class ModelReplica:
    """Hands Serve's calls to a ModelRunner; Serve replaces it when its health check fails.

    A replica that is unwell takes no new generations, and those that it has may go on for the
    ``replica_drain_s`` of the settings. One whose event loop stands still cannot even say so, and
    nothing on it goes on: its process ends itself, callers are told at once, and Serve sees it.

    Args:
        spec: The model's catalog entry.
        delta_interval_s: Least time between two text deltas of a stream.
        limits: When the watchdog ends a generation.
        standstill_s: How long the event loop may stand still.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        spec: ModelSpec,
        delta_interval_s: float,
        limits: GenerationLimits,
        standstill_s: float,
    ) -> None:
        # Serve awaits it: a replica counts as ready only once its model is loaded.
        use_own_standard_streams()
        configure_logging(json=True, fields={"program": PROGRAM, "model": spec.name})
        start_tracing(PROGRAM)
        began = time.monotonic()
        try:
            self._runner = ModelRunner(
                spec, build_engine(spec), delta_interval_s=delta_interval_s, limits=limits
            )
            await self._runner.start()
        except Exception:
            _log.exception("model_not_loaded")  # Serve tells its caller one line of it
            raise
        duration_s = round(time.monotonic() - began, 3)
        _log.info("model_loaded", revision=self._runner.revision, duration_s=duration_s)
        # Not before: engines may load without giving the event loop a turn.
        self._alive = asyncio.create_task(_end_process_at_standstill(standstill_s))

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

    async def adapter_revisions(self) -> dict[str, str]:
        """Names the revisions of the adapters that were loaded, by the adapters' names."""
        return self._runner.adapter_revisions

    async def running_count(self) -> int:
        """Counts the generations that the engine runs or queues now."""
        return self._runner.running_count()

    async def check_health(self) -> None:
        """Raises if the engine must be replaced; Serve calls it every few seconds."""
        await self._runner.check_health()

    def __del__(self) -> None:
        """Ends the engine's processes; Serve calls it when it retires the replica."""
        if hasattr(self, "_runner"):  # what kept the engine from being made has been told
            self._runner.stop()
        stop_tracing()


async def _end_process_at_standstill(standstill_s: float) -> None:
    """Ends this process, with a trace of every thread, if the event loop does not come back to it.

    The timer runs in a thread of C: it fires even if no Python code can run.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(standstill_s, exit=True)
            await asyncio.sleep(standstill_s / 4)
    finally:
        faulthandler.cancel_dump_traceback_later()
