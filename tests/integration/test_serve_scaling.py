"""Replicas come and go with the load, down to none: a call that wakes a model waits for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from grpc import StatusCode, aio

from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import ModelFailedError
from services.generation.catalog import ModelSpec, ScalingSpec, ScriptedSpec
from tests.integration.ray_cluster import RayCluster, ray_cluster
from tests.integration.serve_client import TIMEOUT_S, Client, client_of, until_true
from tests.unit.generation.builders import scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

LOAD_S = 4.0


def sleeper(name: str, **script: float | str) -> ModelSpec:
    """A model that sleeps, and falls asleep soon after its last call."""
    return scripted_spec(name).model_copy(
        update={
            "scripted": ScriptedSpec(load_s=LOAD_S, **script),
            "scaling": ScalingSpec(min_replicas=0, max_replicas=1, downscale_delay_s=3),
        }
    )


# A word every 0.2 s: 20 words keep a place for four seconds.
BUSY = scripted_spec("busy").model_copy(
    update={
        "scripted": ScriptedSpec(per_token_s=0.2),
        "scaling": ScalingSpec(
            min_replicas=1,
            max_replicas=2,
            target_ongoing_requests=2,
            max_ongoing_requests=4,
            upscale_delay_s=1,
            downscale_delay_s=3,
        ),
    }
)
AWAKE = scripted_spec("awake")
LAZY, BROKEN = sleeper("lazy"), sleeper("broken", load_error="no weights")
# A word a minute: what reaches its replica stays there.
BRIEF = sleeper("brief", per_token_s=60)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(num_cpus=6) as running:
        running.deploy(AWAKE, LAZY, BRIEF, BROKEN, BUSY)
        yield running


@pytest.fixture
async def client(cluster: RayCluster) -> AsyncIterator[Client]:
    async with client_of(cluster.address) as opened:
        await opened.until_answer(AWAKE.name)
        yield opened


async def test_calls_wake_a_model_and_wait_for_it_and_it_falls_asleep_again(
    client: Client,
) -> None:
    await client.until_state(LAZY.name, "scaled_to_zero")
    started = time.monotonic()
    first = asyncio.create_task(client.explain(LAZY.name))
    await client.until_state(LAZY.name, "loading")
    second = asyncio.create_task(client.explain(LAZY.name, instruction="Another."))

    assert (await first).text
    assert (await second).text
    # Whoever answered sooner would not have loaded anything.
    assert time.monotonic() - started >= LOAD_S
    await client.until_state(LAZY.name, "ready")
    await client.until_state(LAZY.name, "scaled_to_zero")


async def test_calls_that_do_not_wait_so_long_leave_nothing(
    cluster: RayCluster, client: Client
) -> None:
    await client.until_state(BRIEF.name, "scaled_to_zero")
    with cluster.running_counts(awake=AWAKE.name) as running:
        # Nobody waits for this one's end, so nothing but its cancellation would end it.
        cancelled = client.stub.StreamExplanation(
            pb.StreamExplanationRequest(model=BRIEF.name, instruction="Explain.")
        )
        with pytest.raises(aio.AioRpcError) as caught:
            await client.explain(BRIEF.name, timeout_s=1.5)
        assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED
        cancelled.cancel()
        # The replica that they woke comes up all the same, and finds nothing to do.
        await client.until_state(BRIEF.name, "ready")
        assert await asyncio.to_thread(running, BRIEF.name) == 0
    await client.until_state(BRIEF.name, "scaled_to_zero")


async def test_calls_that_wait_for_a_model_that_cannot_be_loaded_are_told_why(
    client: Client,
) -> None:
    await client.until_state(BROKEN.name, "scaled_to_zero")
    waiting = [asyncio.create_task(client.failure(BROKEN.name)) for _ in range(3)]
    for error in await asyncio.gather(*waiting):
        assert isinstance(error, ModelFailedError)
        assert "no weights" in error.message
    assert isinstance(await client.failure(BROKEN.name), ModelFailedError)
    assert await client.state(BROKEN.name) == "failed"


async def test_load_brings_a_second_replica_and_its_end_takes_it_away(client: Client) -> None:
    async def load() -> None:
        sampling = pb.SamplingParameters(max_tokens=20)
        await asyncio.gather(*(client.explain(BUSY.name, sampling=sampling) for _ in range(6)))

    async def replicas(count: int) -> bool:
        answer = await client.stub.GetModel(pb.GetModelRequest(model=BUSY.name), timeout=10)
        return bool(answer.model.ready_replica_count == count)

    async def keep_loading() -> None:
        while True:
            await load()

    loading = asyncio.create_task(keep_loading())
    await until_true(lambda: replicas(2), TIMEOUT_S, "a second replica")
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await until_true(lambda: replicas(1), TIMEOUT_S, "one replica again")
