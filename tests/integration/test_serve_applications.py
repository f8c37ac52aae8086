"""``serve deploy`` to a plain Ray cluster: what happens to one model is no matter of the others."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import pytest
from grpc import StatusCode, aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import ModelFailedError, ModelNotFoundError
from services.generation.catalog import ModelSpec, SamplingSpec, ScalingSpec, ScriptedSpec
from tests.integration.ray_cluster import RayCluster, ray_cluster
from tests.integration.serve_client import TIMEOUT_S, Client, client_of, undisturbed, until_true
from tests.unit.generation.builders import picture, scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

STEADY, OTHER = scripted_spec("steady"), scripted_spec("other")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(num_cpus=6) as running:
        running.deploy(STEADY, OTHER)
        yield running


@pytest.fixture
async def client(cluster: RayCluster) -> AsyncIterator[Client]:
    async with client_of(cluster.address) as opened:
        await opened.until_answer(STEADY.name)
        yield opened


async def deploy(cluster: RayCluster, *specs: ModelSpec, **settings: int) -> None:
    await asyncio.to_thread(cluster.deploy, *specs, **settings)


def changed(spec: ModelSpec, **values: object) -> ModelSpec:
    return spec.model_copy(update=values)


def pids(cluster: RayCluster, *models: str) -> dict[str, set[int]]:
    return {name: {item.pid for item in cluster.replicas(name)} for name in models}


def fronts(cluster: RayCluster) -> set[int]:
    return {item.pid for item in cluster.find("ServeReplica:front:")}


async def test_a_picture_larger_than_grpc_s_default_limit_passes_without_any_setting(
    client: Client,
) -> None:
    # The cluster was started without the variables that our applications need; they bring them.
    noise = random.Random(0).randbytes(5 * 2**20)
    image = content_pb2.Image(data=picture().data + noise)
    assert (await client.explain(STEADY.name, image=image)).text


async def test_a_model_is_added(cluster: RayCluster, client: Client) -> None:
    added = scripted_spec("added")
    assert isinstance(await client.failure("added"), ModelNotFoundError)
    before = pids(cluster, STEADY.name, OTHER.name)
    async with undisturbed(client, STEADY.name):
        await deploy(cluster, STEADY, OTHER, added)
        await client.until_state("added", "ready")
        assert (await client.explain("added")).text
    assert pids(cluster, STEADY.name, OTHER.name) == before


async def test_what_concerns_the_front_alone_leaves_the_replicas_loaded(
    cluster: RayCluster, client: Client
) -> None:
    before = pids(cluster, STEADY.name, OTHER.name), fronts(cluster)
    async with undisturbed(client, STEADY.name), undisturbed(client, OTHER.name):
        await deploy(cluster, STEADY, changed(OTHER, sampling=SamplingSpec(max_tokens=7)))
        await until_true(lambda: has_max_tokens(client, 7), TIMEOUT_S, "the new default")
    assert (pids(cluster, STEADY.name, OTHER.name), fronts(cluster)) == before


async def has_max_tokens(client: Client, count: int) -> bool:
    answer = await client.explain(OTHER.name)
    return bool(answer.completion.provenance.sampling.max_tokens == count)


async def test_scaling_changes_without_loading_what_is_loaded(
    cluster: RayCluster, client: Client
) -> None:
    before = pids(cluster, STEADY.name, OTHER.name)
    two = ScalingSpec(min_replicas=2, max_replicas=2, max_ongoing_requests=9)
    async with undisturbed(client, STEADY.name), undisturbed(client, OTHER.name):
        await deploy(cluster, STEADY, changed(OTHER, scaling=two))
        await until_true(lambda: has_replicas(client, 2), TIMEOUT_S, "two replicas")
    after = pids(cluster, STEADY.name, OTHER.name)
    assert after[STEADY.name] == before[STEADY.name]
    assert after[OTHER.name] > before[OTHER.name]


async def has_replicas(client: Client, count: int) -> bool:
    answer = await client.stub.GetModel(pb.GetModelRequest(model=OTHER.name), timeout=10)
    return bool(answer.model.ready_replica_count == count)


async def test_a_model_that_changes_is_loaded_anew_and_no_other(
    cluster: RayCluster, client: Client
) -> None:
    before = pids(cluster, STEADY.name, OTHER.name)
    slower = changed(OTHER, scripted=ScriptedSpec(first_token_s=0.01))
    async with undisturbed(client, STEADY.name):
        await deploy(cluster, STEADY, slower)
        await until_true(
            lambda: is_replaced(cluster, before[OTHER.name]), TIMEOUT_S, "replicas of the new entry"
        )
        await client.until_answer(OTHER.name)
    assert pids(cluster, STEADY.name)[STEADY.name] == before[STEADY.name]


async def is_replaced(cluster: RayCluster, before: set[int]) -> bool:
    now = pids(cluster, OTHER.name)[OTHER.name]
    return bool(now) and not now & before


async def test_a_model_is_removed(cluster: RayCluster, client: Client) -> None:
    async with undisturbed(client, STEADY.name):
        await deploy(cluster, STEADY)
        await client.until_state(OTHER.name, "gone")
        assert isinstance(await client.failure(OTHER.name), ModelNotFoundError)
        await until_true(lambda: is_gone(cluster), TIMEOUT_S, "no process of it is left")


async def is_gone(cluster: RayCluster) -> bool:
    return not cluster.replicas(OTHER.name)


async def test_a_model_that_cannot_be_loaded_says_why(cluster: RayCluster, client: Client) -> None:
    broken = changed(scripted_spec("broken"), scripted=ScriptedSpec(load_error="no such weights"))
    async with undisturbed(client, STEADY.name):
        await deploy(cluster, STEADY, broken)
        await client.until_state("broken", "failed")
        error = await client.failure("broken")
        assert isinstance(error, ModelFailedError)
        assert "no such weights" in error.message
        # As where its weights were missing, and no longer are: it is tried again.
        await deploy(cluster, STEADY)
        await client.until_state("broken", "gone")
        await deploy(cluster, STEADY, broken)
        await client.until_state("broken", "loading")
        await client.until_state("broken", "failed")
        # Mended, it is loaded.
        await deploy(cluster, STEADY, scripted_spec("broken"))
        await client.until_answer("broken")


async def test_a_model_whose_process_dies_comes_back(cluster: RayCluster, client: Client) -> None:
    await deploy(cluster, STEADY, OTHER)
    await client.until_state(OTHER.name, "ready")
    async with undisturbed(client, STEADY.name):
        for process in cluster.replicas(OTHER.name):
            process.kill()
        assert (await client.until_answer(OTHER.name)).text


async def test_calls_go_on_while_serve_s_controller_is_replaced(
    cluster: RayCluster, client: Client
) -> None:
    (controller,) = cluster.find("ServeController")
    async with undisturbed(client, STEADY.name) as caller:
        controller.kill()
        await until_true(
            lambda: is_replaced_by_another(cluster, controller.pid), TIMEOUT_S, "another"
        )
        answered = caller.answered
        await until_true(
            lambda: has_answered(caller.answered, answered + 20), TIMEOUT_S, "more calls"
        )


async def is_replaced_by_another(cluster: RayCluster, pid: int) -> bool:
    return [item.pid for item in cluster.find("ServeController")] not in ([], [pid])


async def has_answered(now: int, enough: int) -> bool:
    return now >= enough


async def test_a_front_with_new_settings_takes_over_from_the_old_one(
    cluster: RayCluster, client: Client
) -> None:
    before = fronts(cluster)
    async with undisturbed(client, STEADY.name, retries_draining=True) as caller:
        await deploy(cluster, STEADY, OTHER, drain_s=5)
        await until_true(lambda: has_new_front(cluster, before), TIMEOUT_S, "a new front alone")
        answered = caller.answered
        await until_true(
            lambda: has_answered(caller.answered, answered + 20), TIMEOUT_S, "more calls"
        )


async def has_new_front(cluster: RayCluster, before: set[int]) -> bool:
    now = fronts(cluster)
    return bool(now) and not now & before


async def test_a_cluster_that_was_lost_is_started_and_deployed_to_again(
    cluster: RayCluster, client: Client
) -> None:
    # Without an external store, Serve's state dies with the head.
    processes = cluster.head.processes()
    cluster.head.kill()
    assert not [item for item in processes if item.is_running() and item.status() != "zombie"]
    with pytest.raises(aio.AioRpcError) as caught:
        await client.explain(STEADY.name, timeout_s=5)
    assert caught.value.code() is StatusCode.UNAVAILABLE

    cluster.start_head(6)
    await deploy(cluster, STEADY, OTHER)
    # The same channel: a client needs to do nothing but try again.
    assert (await client.until_answer(STEADY.name)).text
    assert (await client.until_answer(OTHER.name)).text
