"""Reaches models through Ray Serve's deployment handles."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import grpc
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
from services.generation.names import MODEL_DEPLOYMENT, model_application

# Serve moves calls by gRPC; a connection that breaks for good is a lost replica too.
_LOST = (RayActorError, ReplicaUnavailableError, RequestCancelledError, grpc.aio.AioRpcError)
_RETRY_AFTER_S = 1.0


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
        return {
            name: replace(condition, revision=await self._revision(name, condition))
            for name, condition in found.items()
        }

    async def _revision(self, model: str, condition: ModelCondition) -> str:
        if model not in self._revisions and condition.state is ModelState.READY:
            self._revisions[model] = await self._handle(model).revision.remote()
        return self._revisions.get(model, "")

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
        raise ModelFailedError(f"model {model} could not be loaded", model=model) from error
    except _LOST as error:
        if started():
            raise GenerationAbortedError(
                f"the replica of model {model} was lost during generation", model=model
            ) from error
        raise EngineUnavailableError(
            f"the replica of model {model} was lost before it answered", model=model
        ) from error
