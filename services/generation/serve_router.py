"""Reaches models through Ray Serve's deployment handles."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import grpc
import structlog
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentHandle

from services.core.errors import (
    EngineUnavailableError,
    GenerationAbortedError,
    ModelFailedError,
    OverloadedError,
    ServiceError,
)
from services.generation.catalog import Catalog
from services.generation.conditions import model_condition
from services.generation.domain import (
    EngineRequest,
    Explanation,
    ExplanationEvent,
    ModelCondition,
    ModelState,
)
from services.generation.messages import one_line
from services.generation.names import MODEL_DEPLOYMENT, model_application

_log = structlog.get_logger()

# Serve moves calls by gRPC; a connection that breaks for good is a lost replica too.
_LOST = (RayActorError, ReplicaUnavailableError, RequestCancelledError, grpc.aio.AioRpcError)
_RETRY_AFTER_S = 1.0
_REVISION_TIMEOUT_S = 2.0


class ServeRouter:
    """Calls one Serve application a model, one hop, streaming."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._handles: dict[str, DeploymentHandle] = {}
        self._revisions: dict[str, str] = {}

    async def explain(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> Explanation:
        """Generates an explanation and returns it whole."""
        with _errors_of_ours(model, started=lambda: False):
            response = self._handle(model).explain.remote(request, timeout_s)
            try:
                explanation: Explanation = await response
            finally:
                # Serve keeps a replica running unless it is told; harmless once it has answered.
                response.cancel()
        return explanation

    async def stream(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas, then the completion."""
        started = False
        with _errors_of_ours(model, started=lambda: started):
            events = self._handle(model).options(stream=True).stream.remote(request, timeout_s)
            try:
                async for event in events:
                    started = True
                    yield event
            finally:
                # Measured: without this, every sixth cancelled stream kept its replica busy.
                events.cancel()

    async def conditions(self) -> Mapping[str, ModelCondition]:
        """Asks Serve's controller how the applications are."""
        # The call blocks on the controller.
        status = await asyncio.to_thread(serve.status)
        found = {
            spec.name: model_condition(
                status.applications.get(model_application(spec.name)),
                may_be_empty=spec.scaling.min_replicas == 0,
            )
            for spec in self._catalog
        }
        await asyncio.gather(*(self._learn_revision(*item) for item in found.items()))
        return {
            name: replace(condition, revision=self._revisions.get(name, ""))
            for name, condition in found.items()
        }

    async def _learn_revision(self, model: str, condition: ModelCondition) -> None:
        if condition.state is not ModelState.READY:
            # Whatever comes up next may have loaded other weights.
            self._revisions.pop(model, None)
            return
        if model in self._revisions:
            return
        try:
            async with asyncio.timeout(_REVISION_TIMEOUT_S):
                self._revisions[model] = await self._ask_revision(model)
        except Exception as error:  # noqa: BLE001 - one busy replica must not hide all states
            _log.warning("model_revision_unknown", model=model, error=one_line(error))

    async def _ask_revision(self, model: str) -> str:
        revision: str = await self._handle(model).revision.remote()
        return revision

    def _handle(self, model: str) -> DeploymentHandle:
        # Made on first use: the application may be deployed after the front.
        if model not in self._handles:
            self._handles[model] = serve.get_deployment_handle(
                MODEL_DEPLOYMENT, model_application(model)
            )
        return self._handles[model]


@contextmanager
def _errors_of_ours(model: str, started: Callable[[], bool]) -> Iterator[None]:
    """Turns what Ray and Serve raise into our errors; ``started`` tells of a first token."""
    try:
        yield
    except RayTaskError as error:
        # What the replica raised, wrapped; a stranger is a fault of ours and goes to the log.
        if isinstance(error.cause, ServiceError):
            raise error.cause from None
        raise
    except BackPressureError as error:
        raise OverloadedError(
            f"all replicas of model {model} are busy; try again in {_RETRY_AFTER_S:g} s",
            retry_after_s=_RETRY_AFTER_S,
            model=model,
        ) from error
    except DeploymentUnavailableError as error:
        cause = one_line(error.message)
        raise ModelFailedError(
            f"model {model} could not be loaded: {cause}", model=model, cause=cause
        ) from error
    except _LOST as error:
        if started():
            raise GenerationAbortedError(
                f"the replica of model {model} was lost during generation", model=model
            ) from error
        raise EngineUnavailableError(
            f"the replica of model {model} was lost before it answered", model=model
        ) from error
