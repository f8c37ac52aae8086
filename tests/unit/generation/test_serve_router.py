"""What the front learns of models through Ray Serve, with a scripted controller in its place."""

import asyncio
from collections.abc import Generator
from types import SimpleNamespace
from typing import Self

import pytest
from ray.serve import schema
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentResponse, DeploymentResponseGenerator

from services.core.errors import ModelFailedError
from services.generation import serve_router
from services.generation.catalog import Catalog
from services.generation.domain import ModelState
from services.generation.names import model_application
from services.generation.serve_router import ServeRouter
from tests.unit.generation.builders import engine_request, scripted_spec


class ScriptedRouter(ServeRouter):
    """Asks replicas that answer, fail, or hang (``None``), as a test sets them."""

    def __init__(self, **answers: str | Exception | None) -> None:
        super().__init__(Catalog({name: scripted_spec(name) for name in answers}))
        self.answers = answers

    async def _ask_revision(self, model: str) -> str:
        answer = self.answers[model]
        if answer is None:
            await asyncio.sleep(3600)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)


def arrange(
    monkeypatch: pytest.MonkeyPatch,
    *,
    status: str = "RUNNING",
    deployed: float = 0.0,
    **replicas: str,
) -> None:
    """Lets Serve's controller say in what state each model's only replica is."""
    applications = {
        model_application(name): schema.ApplicationStatusOverview(
            status=schema.ApplicationStatus(status),
            message="no weights",
            last_deployed_time_s=deployed,
            deployments={
                "Model": schema.DeploymentStatusOverview(
                    status="UPDATING",
                    status_trigger="UNSPECIFIED",
                    replica_states={state: 1},
                    message="",
                )
            },
        )
        for name, state in replicas.items()
    }
    monkeypatch.setattr("ray.serve.status", lambda: SimpleNamespace(applications=applications))


async def test_a_replica_that_hangs_or_fails_hides_no_other_models_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve_router, "_REVISION_TIMEOUT_S", 0.05)
    arrange(monkeypatch, hanging="RUNNING", failing="RUNNING", well="RUNNING")
    router = ScriptedRouter(hanging=None, failing=OSError("lost"), well="sha256:1")

    found = await asyncio.wait_for(router.conditions(), 20)

    assert {name: item.revision for name, item in found.items()} == {
        "hanging": "",
        "failing": "",
        "well": "sha256:1",
    }
    assert {item.state for item in found.values()} == {ModelState.READY}


async def test_a_revision_is_kept_while_a_model_is_ready_and_asked_anew_after_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = ScriptedRouter(x="sha256:1")
    arrange(monkeypatch, x="RUNNING")
    assert (await router.conditions())["x"].revision == "sha256:1"
    router.answers["x"] = "sha256:2"
    assert (await router.conditions())["x"].revision == "sha256:1"

    arrange(monkeypatch, x="STARTING")
    assert (await router.conditions())["x"].revision == ""
    arrange(monkeypatch, x="RUNNING")
    assert (await router.conditions())["x"].revision == "sha256:2"


async def test_a_model_that_serve_gave_up_on_is_told_with_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = ScriptedRouter(x="")

    def fail(model: str, name: str) -> None:
        raise DeploymentUnavailableError(DeploymentID("Model"))

    monkeypatch.setattr(router, "_method", fail)
    with pytest.raises(ModelFailedError) as caught:
        await router.explain("x", engine_request(), None)
    cause = caught.value.metadata["cause"]
    assert "failed to deploy" in cause
    assert caught.value.message == f"model x could not be loaded: {cause}"


class TakenCall:
    """A call as Serve holds it once a replica has taken it on."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_call_cancelled_in_the_turn_in_which_a_replica_takes_it_is_cancelled_there(
    monkeypatch: pytest.MonkeyPatch, is_stream: bool
) -> None:
    router = ScriptedRouter(x="")
    taking: asyncio.Future[TakenCall] = asyncio.get_running_loop().create_future()
    kind = DeploymentResponseGenerator if is_stream else DeploymentResponse
    response = kind(taking, SimpleNamespace(request_id="r"), False)
    method = SimpleNamespace(remote=lambda request, timeout_s: response)
    monkeypatch.setattr(router, "_method", lambda model, name, stream=False: method)

    async def ask() -> None:
        if not is_stream:
            await router.explain("x", engine_request(), None)
            return
        async for _ in router.stream("x", engine_request(), None):
            pass

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)  # it waits for a replica
    taken = TakenCall()
    taking.set_result(taken)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert taken.is_cancelled


async def test_a_revision_is_asked_until_a_new_deployment_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = ScriptedRouter(x="old")
    arrange(monkeypatch, x="RUNNING")
    assert (await router.conditions())["x"].revision == "old"
    # One of two replicas was replaced: the model was ready all the time.
    arrange(monkeypatch, status="DEPLOYING", deployed=1.0, x="RUNNING")
    assert (await router.conditions())["x"].revision == "old"
    router.answers["x"] = "new"
    assert (await router.conditions())["x"].revision == "new"
    arrange(monkeypatch, deployed=1.0, x="RUNNING")
    assert (await router.conditions())["x"].revision == "new"
    router.answers["x"] = "never asked"
    assert (await router.conditions())["x"].revision == "new"


class WaitingResponse:
    """A call that no replica takes, as Serve's handles have them."""

    def __init__(self) -> None:
        self._replica_result_future = asyncio.get_running_loop().create_future()

    def cancel(self) -> None:
        if not self._replica_result_future.done():
            self._replica_result_future.set_exception(RequestCancelledError("r"))
            self._replica_result_future.exception()

    def __await__(self) -> Generator[object, None, object]:
        return self._replica_result_future.__await__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> object:
        return await self._replica_result_future


class WaitingMethod:
    """A method of a model without replicas."""

    def remote(self, *_: object) -> WaitingResponse:
        return WaitingResponse()


async def first_event(router: ServeRouter) -> object:
    return await anext(router.stream("x", engine_request(), None))


async def test_calls_that_wait_for_a_model_that_fails_are_told_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = ScriptedRouter(x="")
    monkeypatch.setattr(router, "_method", lambda model, name, stream=False: WaitingMethod())
    calls = [
        asyncio.ensure_future(router.explain("x", engine_request(), None)),
        asyncio.ensure_future(first_event(router)),
    ]
    await asyncio.sleep(0)
    arrange(monkeypatch, x="STARTING")
    await router.conditions()
    # An old replica may still work on calls of its own.
    arrange(monkeypatch, status="DEPLOY_FAILED", x="STOPPING")
    await router.conditions()
    await asyncio.sleep(0)
    assert not any(call.done() for call in calls)

    arrange(monkeypatch, status="DEPLOY_FAILED", x="STARTING")
    assert (await router.conditions())["x"].state is ModelState.FAILED
    for call in calls:
        with pytest.raises(ModelFailedError, match="model x could not be loaded: no weights"):
            await call


async def test_a_waiting_caller_that_leaves_is_no_loss_of_a_replica(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = ScriptedRouter(x="")
    monkeypatch.setattr(router, "_method", lambda model, name, stream=False: WaitingMethod())
    call = asyncio.ensure_future(router.explain("x", engine_request(), None))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not router._calls["x"]


async def test_another_catalog_is_asked_for_its_own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    router = ScriptedRouter(x="1", y="2")
    arrange(monkeypatch, x="RUNNING", y="RUNNING")
    assert set(await router.conditions()) == {"x", "y"}
    router.answers["z"] = "3"
    router.use_catalog(Catalog({name: scripted_spec(name) for name in ("y", "z")}))
    found = await router.conditions()
    assert {name: item.revision for name, item in found.items()} == {"y": "2", "z": ""}
    assert found["z"].state is ModelState.LOADING
