"""Reaches models through Ray Serve's deployment handles."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

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
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

from services.core.errors import (
    EngineUnavailableError,
    GenerationAbortedError,
    ModelFailedError,
    OverloadedError,
    ServiceError,
)
from services.generation.catalog import Catalog
from services.generation.conditions import is_without_replicas, model_condition
from services.generation.domain import (
    EngineRequest,
    Explanation,
    ExplanationEvent,
    ModelCondition,
    ModelState,
)
from services.generation.messages import one_line
from services.generation.names import MODEL_DEPLOYMENT, model_application
from services.generation.traced_call import traced_call

_log = structlog.get_logger()

# Serve moves calls by gRPC; a connection that breaks for good is a lost replica too.
_LOST = (RayActorError, ReplicaUnavailableError, RequestCancelledError, grpc.aio.AioRpcError)
_RETRY_AFTER_S = 1.0
_REVISION_TIMEOUT_S = 2.0


class ServeRouter:
    """Calls one Serve application a model, one hop, streaming.

    A call that no replica can take yet waits until one comes up, the caller leaves, or it is known
    that none will.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._methods: dict[tuple[str, str], DeploymentHandle] = {}
        self._revisions: dict[str, _KnownRevision] = {}
        self._calls: defaultdict[str, set[_Call]] = defaultdict(set)

    def use_catalog(self, catalog: Catalog) -> None:
        """Reaches other models from now on; calls in flight go on."""
        for name in set(self._catalog.names) - set(catalog.names):
            for model, method in list(self._methods):
                if model == name:
                    del self._methods[model, method]
            self._revisions.pop(name, None)
        self._catalog = catalog

    async def explain(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> Explanation:
        """Generates an explanation and returns it whole."""
        call = _Call()
        with traced_call(model, request) as traced, _errors_of_ours(model, call):
            response = self._method(model, "explain").remote(traced, timeout_s)
            with self._followed(model, call, response):
                explanation: Explanation = await response
        return explanation

    async def stream(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas, then the completion."""
        call = _Call()
        with traced_call(model, request) as traced, _errors_of_ours(model, call):
            events = self._method(model, "stream", stream=True).remote(traced, timeout_s)
            with self._followed(model, call, events):
                async for event in events:
                    call.started = True
                    yield event

    async def conditions(self) -> Mapping[str, ModelCondition]:
        """Asks Serve's controller how the applications are.

        Calls that wait for a replica of a model that turns out to have failed end here.
        """
        # The call blocks on the controller.
        status = await asyncio.to_thread(serve.status)
        applications = {
            spec.name: status.applications.get(model_application(spec.name))
            for spec in self._catalog
        }
        found = {
            spec.name: model_condition(
                applications[spec.name], may_be_empty=spec.scaling.min_replicas == 0
            )
            for spec in self._catalog
        }
        for name, condition in found.items():
            self._end_hopeless_calls(name, condition, applications[name])
        await asyncio.gather(
            *(self._learn_revision(name, found[name], applications[name]) for name in found)
        )
        return {
            name: replace(
                condition, revision=known.revision, adapter_revisions=known.adapter_revisions
            )
            if (known := self._revisions.get(name)) is not None
            else condition
            for name, condition in found.items()
        }

    @contextmanager
    def _followed(self, model: str, call: "_Call", response: "_Response") -> Iterator[None]:
        call.response = response
        self._calls[model].add(call)
        try:
            yield
        finally:
            self._calls[model].discard(call)
            # Serve keeps a replica running unless it is told; harmless once it has answered.
            # Measured: without this, every sixth cancelled stream kept its replica busy.
            _cancel(response)

    def _end_hopeless_calls(
        self, model: str, condition: ModelCondition, application: ApplicationStatusOverview | None
    ) -> None:
        """Ends what waits for a replica that will not come; Serve itself would let it wait."""
        if condition.state is not ModelState.FAILED or application is None:
            return
        if not is_without_replicas(application):
            # One that is being retired may still work on some of these calls.
            return
        for call in self._calls[model]:
            call.end(condition.reason)

    async def _learn_revision(
        self, model: str, condition: ModelCondition, application: ApplicationStatusOverview | None
    ) -> None:
        if condition.state is not ModelState.READY or application is None:
            # Whatever comes up next may have loaded other weights.
            self._revisions.pop(model, None)
            return
        known = self._revisions.get(model)
        deployed = application.last_deployed_time_s
        if known is not None and known.is_final and known.deployed == deployed:
            return
        try:
            async with asyncio.timeout(_REVISION_TIMEOUT_S):
                revision = await self._ask_revision(model)
                adapters = await self._ask_adapter_revisions(model)
        except Exception as error:  # noqa: BLE001 - one busy replica must not hide all states
            _log.warning("model_revision_unknown", model=model, error=one_line(error))
            return
        # While replicas are being replaced, either of two revisions may answer.
        is_final = application.status is ApplicationStatus.RUNNING
        self._revisions[model] = _KnownRevision(revision, adapters, deployed, is_final)

    async def _ask_revision(self, model: str) -> str:
        revision: str = await self._method(model, "revision").remote()
        return revision

    async def _ask_adapter_revisions(self, model: str) -> dict[str, str]:
        if not self._catalog.get(model).adapters:
            return {}
        found: dict[str, str] = await self._method(model, "adapter_revisions").remote()
        return found

    def _method(self, model: str, name: str, *, stream: bool = False) -> DeploymentHandle:
        # Made on first use: the application may be deployed after the front. And kept: Serve makes
        # a handle anew for every attribute and option, at a tenth of what a call costs.
        if (model, name) not in self._methods:
            handle = serve.get_deployment_handle(MODEL_DEPLOYMENT, model_application(model))
            self._methods[model, name] = handle.options(
                method_name=name,
                stream=stream,
                # Our own classes need none of what cloudpickle, the default, can do more.
                request_serialization="pickle",
                response_serialization="pickle",
            )
        return self._methods[model, name]


@dataclass(frozen=True, slots=True)
class _KnownRevision:
    """Revisions that a replica named, and the deployment of which it was."""

    revision: str
    adapter_revisions: dict[str, str]
    deployed: float
    is_final: bool


class _Cancellable(Protocol):
    def cancel(self) -> object:
        """Ends the call."""


class _Response(_Cancellable, Protocol):
    _replica_result_future: asyncio.Future[_Cancellable]


def _cancel(response: _Response) -> None:
    """Ends a call, whether a replica has it or not."""
    response.cancel()
    # Ray 2.60 loses a call that a replica took on in the very turn of the event loop in which it is
    # cancelled: one in a few thousand went on in its replica.
    taken = response._replica_result_future  # noqa: SLF001 - nothing public knows of it
    if taken.done() and not taken.cancelled() and taken.exception() is None:
        taken.result().cancel()


class _Call:
    """One call on its way to a replica, or on it.

    Attributes:
        started: Whether a first token came.
        failure: Why no replica will take it; empty while one may.
    """

    def __init__(self) -> None:
        self.response: _Response | None = None
        self.started = False
        self.failure = ""

    def end(self, reason: str) -> None:
        """Ends the wait for a replica; its caller is told why."""
        self.failure = reason
        if self.response is not None:
            _cancel(self.response)


@contextmanager
def _errors_of_ours(model: str, call: _Call) -> Iterator[None]:
    """Turns what Ray and Serve raise into our errors."""
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
        raise _failed(model, one_line(error.message)) from error
    except _LOST as error:
        if call.failure:
            raise _failed(model, call.failure) from error
        if call.started:
            raise GenerationAbortedError(
                f"the replica of model {model} was lost during generation", model=model
            ) from error
        raise EngineUnavailableError(
            f"the replica of model {model} was lost before it answered", model=model
        ) from error


def _failed(model: str, cause: str) -> ModelFailedError:
    return ModelFailedError(f"model {model} could not be loaded: {cause}", model=model, cause=cause)
