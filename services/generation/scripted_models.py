"""Scripted models in the front's own process, loaded, watched and replaced as Ray Serve would."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from services.core.errors import EngineUnavailableError, ModelFailedError, ModelLoadingError
from services.generation.catalog import Catalog, ModelSpec
from services.generation.domain import (
    EngineRequest,
    Explanation,
    ExplanationEvent,
    ModelCondition,
    ModelState,
)
from services.generation.engines import build_engine
from services.generation.runner import ModelRunner

_HEALTH_INTERVAL_S = 0.25
# Models that load in no time are there before the first call is.
_FIRST_LOOK_S = 0.1
_LOADING = ModelCondition(ModelState.LOADING, "the model is being loaded")


class ScriptedModels:
    """A router to one replica of each model, all in this process.

    A model that fails to load stays failed; one that calls itself unwell is loaded again.

    Args:
        catalog: The models.
        delta_interval_s: Least time between two text deltas of a stream.
    """

    def __init__(self, catalog: Catalog, *, delta_interval_s: float) -> None:
        self._catalog = catalog
        self._delta_interval_s = delta_interval_s
        self._runners: dict[str, ModelRunner] = {}
        self._conditions = dict.fromkeys(catalog.names, _LOADING)
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to load every model."""
        self._keepers = [asyncio.create_task(self._keep(spec)) for spec in self._catalog]
        await asyncio.sleep(_FIRST_LOOK_S)

    async def stop(self) -> None:
        """Ends every engine."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def explain(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> Explanation:
        """Generates an explanation and returns it whole."""
        return await self._runner(model).explain(request, timeout_s)

    async def stream(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas, then the completion."""
        async with aclosing(self._runner(model).stream(request, timeout_s)) as events:
            async for event in events:
                yield event

    async def conditions(self) -> Mapping[str, ModelCondition]:
        """Says how every model is now."""
        return dict(self._conditions)

    def _runner(self, model: str) -> ModelRunner:
        if model not in self._runners:
            raise ModelLoadingError(f"model {model} is being loaded", model=model)
        return self._runners[model]

    async def _keep(self, spec: ModelSpec) -> None:
        while True:
            self._conditions[spec.name] = _LOADING
            runner = ModelRunner(spec, build_engine(spec), delta_interval_s=self._delta_interval_s)
            try:
                await self._run(spec.name, runner)
            except ModelFailedError as error:
                self._conditions[spec.name] = ModelCondition(ModelState.FAILED, error.message)
                return
            finally:
                self._runners.pop(spec.name, None)
                runner.stop()

    async def _run(self, name: str, runner: ModelRunner) -> None:
        """Loads a replica and returns once it is unwell."""
        await runner.start()
        self._runners[name] = runner
        self._conditions[name] = ModelCondition(
            ModelState.READY,
            ready_replica_count=1,
            revision=runner.revision,
            adapter_revisions=runner.adapter_revisions,
        )
        while True:
            await asyncio.sleep(_HEALTH_INTERVAL_S)
            try:
                await runner.check_health()
            except EngineUnavailableError:
                return
