"""What the front learns of models through Ray Serve, with a scripted controller in its place."""

import asyncio
from types import SimpleNamespace

import pytest
from ray.serve import schema
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError
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


def arrange(monkeypatch: pytest.MonkeyPatch, **replicas: str) -> None:
    """Lets Serve's controller say in what state each model's only replica is."""
    applications = {
        model_application(name): schema.ApplicationStatusOverview(
            status=schema.ApplicationStatus.RUNNING,
            message="",
            last_deployed_time_s=0.0,
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

    def fail(model: str) -> None:
        raise DeploymentUnavailableError(DeploymentID("Model"))

    monkeypatch.setattr(router, "_handle", fail)
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
    remote = SimpleNamespace(remote=lambda request, timeout_s: response)
    handle = SimpleNamespace(explain=remote, stream=remote, options=lambda stream: handle)
    monkeypatch.setattr(router, "_handle", lambda model: handle)

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
