"""Several nodes: a node that dies takes its calls along, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from grpc import StatusCode, aio

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation.catalog import ScalingSpec
from tests.integration.ray_cluster import Node, RayCluster, ray_cluster
from tests.integration.serve_client import TIMEOUT_S, Client, client_of, until_true
from tests.unit.generation.builders import scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

# Channels of one process to one address would share a connection.
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
Stream = aio.UnaryStreamCall
TITLE = "ServeReplica:model-pair:"
# Two replicas of one core each, spread over two nodes; the head has room for both. A word a
# minute: calls end by themselves only where they ask for one word.
PAIR = scripted_spec("pair", per_token_s=60).model_copy(
    update={"scaling": ScalingSpec(min_replicas=2, max_replicas=2)}
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(num_cpus=2) as running:
        running.add_node(num_cpus=1)
        running.deploy(PAIR, front_replicas=2, front_replicas_per_node=1)
        yield running


@pytest.fixture
async def client(cluster: RayCluster) -> AsyncIterator[Client]:
    async with client_of(cluster.address) as opened:
        await until_true(
            lambda: has_replicas(opened, 2), TIMEOUT_S, "two replicas", lambda: opened.state("pair")
        )
        yield opened


async def has_replicas(client: Client, count: int) -> bool:
    try:
        answer = await client.stub.GetModel(pb.GetModelRequest(model="pair"), timeout=10)
    except aio.AioRpcError:
        return False
    return bool(answer.model.ready_replica_count == count)


async def test_fronts_and_replicas_are_spread_and_a_lost_node_is_made_up_for(
    cluster: RayCluster, client: Client
) -> None:
    head, other = cluster.nodes
    for node in (head, other):
        assert len(node.find(TITLE)) == 1
        assert len(node.find("ServeReplica:front:")) == 1

    async with spread_streams(cluster, 16) as streams:
        fates = asyncio.gather(*(fate_of(stream) for stream in streams))
        await asyncio.sleep(0.5)
        other.kill()
        codes = await asyncio.wait_for(fates, 60)
        # Whoever was on the other node, by its front or by its replica, is told; nobody hangs.
        assert set(codes) == {"runs", StatusCode.ABORTED, StatusCode.UNAVAILABLE}
        assert len(head.find(TITLE)) >= 1
        await until_true(lambda: is_placed_again(head), TIMEOUT_S, "a second replica on the head")

    # The same channel goes on, by the front that is left.
    await client.until_answer("pair", sampling=pb.SamplingParameters(max_tokens=1))
    await until_true(lambda: has_replicas(client, 2), TIMEOUT_S, "two replicas again")


async def is_placed_again(node: Node) -> bool:
    return len(node.find(TITLE)) == 2


@asynccontextmanager
async def spread_streams(cluster: RayCluster, count: int) -> AsyncIterator[list[Stream]]:
    """Streams over connections of their own, which the kernel spreads over the fronts."""
    async with AsyncExitStack() as stack:
        streams = []
        for _ in range(count):
            channel = await stack.enter_async_context(
                aio.insecure_channel(cluster.address, options=_OWN_CONNECTION)
            )
            request = pb.StreamExplanationRequest(model="pair", instruction="Explain.")
            stream = pb_grpc.GenerationServiceStub(channel).StreamExplanation(request)
            assert (await stream.read()).text_delta
            streams.append(stream)
        yield streams


async def fate_of(stream: Stream) -> StatusCode | str:
    """Says how a stream ended, or that it goes on."""
    try:
        async with asyncio.timeout(15):
            await stream.read()
    except TimeoutError:
        return "runs"
    except aio.AioRpcError as error:
        return error.code()
    raise AssertionError("a word a minute cannot have ended")
