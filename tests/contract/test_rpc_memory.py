"""Calls that fail leave nothing in memory, even while Python does not look for garbage."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Iterator

import pytest
from google.protobuf.message import DecodeError
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import InvalidRequestError, ServiceError
from services.rpc.server import RpcServer
from tests.contract.rpc_services import refused, unretried

SERVICE = "expart.scoring.v1.ScoringService"
UNARY, STREAM = f"/{SERVICE}/ScoreExplanation", f"/{SERVICE}/ScoreExplanations"
# Field 1, of a length that the message does not have.
BROKEN = b"\x0a\xff\x01"
CALLS = 5


class Witness:
    """Lives as long as the frame of a servicer, and so as long as the request beside it."""


class LeavingServicer(pb_grpc.ScoringServiceServicer):
    """Fails as the candidate's text says, and remembers the witnesses of its frames."""

    def __init__(self) -> None:
        self.witnesses = weakref.WeakSet[Witness]()
        self.count = 0

    async def ScoreExplanation(
        self, request: pb.ScoreExplanationRequest, context: aio.ServicerContext
    ) -> pb.ScoreExplanationResponse:
        await self._fail(request.item.candidate, context)
        return pb.ScoreExplanationResponse()

    async def ScoreExplanations(
        self,
        request_iterator: AsyncIterator[pb.ScoreExplanationsRequest],
        context: aio.ServicerContext,
    ) -> AsyncIterator[pb.ScoreExplanationsResponse]:
        async for request in request_iterator:
            yield pb.ScoreExplanationsResponse()
            await self._fail(request.item.candidate, context)

    async def _fail(self, how: str, context: aio.ServicerContext) -> None:
        witness = Witness()
        self.witnesses.add(witness)
        self.count += 1
        if how == "abort":
            await context.abort(StatusCode.ABORTED, "a servicer's own")
        kept = InvalidRequestError("no") if how == "ours" else RuntimeError("a bug")
        raise kept  # the frame holds the error, and the error the frame


@pytest.fixture
def no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(*kinds: type[BaseException]) -> int:
    # By type: some library's objects do things when they are asked for their class.
    return sum(issubclass(type(found), kinds) for found in gc.get_objects())


@pytest.fixture
async def server(no_collections: None) -> AsyncIterator[tuple[LeavingServicer, int]]:
    servicer = LeavingServicer()
    running = RpcServer(
        "127.0.0.1:0",
        [SERVICE],
        lambda inner: pb_grpc.add_ScoringServiceServicer_to_server(servicer, inner),
    )
    yield servicer, await running.start()
    await running.stop(grace_s=0)


async def test_failed_calls_leave_neither_errors_nor_requests_in_memory(
    server: tuple[LeavingServicer, int],
) -> None:
    servicer, port = server
    # Other tests' parameters are errors, too.
    known = alive(ServiceError, DecodeError, aio.AbortError)
    async with unretried(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        health = health_pb2_grpc.HealthStub(channel)
        for _ in range(CALLS):
            assert await code_of(channel.unary_unary(UNARY)(BROKEN)) == "INVALID_ARGUMENT"
            broken = channel.stream_stream(STREAM)(iter([BROKEN]))
            assert await code_of(broken.read()) == "INVALID_ARGUMENT"
            unknown = health.Check(health_pb2.HealthCheckRequest(service="unknown"))
            assert await code_of(unknown) == "NOT_FOUND"
            for how, code in (
                ("ours", "INVALID_ARGUMENT"),
                ("bug", "INTERNAL"),
                ("abort", "ABORTED"),
            ):
                item = pb.ScoringItem(candidate=how)
                one = stub.ScoreExplanation(pb.ScoreExplanationRequest(item=item))
                assert await code_of(one) == code
                many = stub.ScoreExplanations(iter([pb.ScoreExplanationsRequest(item=item)]))
                await many.read()
                assert await code_of(many.read()) == code
        # What the last call left would be gone by the next.
        await stub.ScoreExplanations(iter(())).read()
        await asyncio.sleep(0.1)
        assert servicer.count == CALLS * 3 * 2
        assert len(servicer.witnesses) == 0
        assert alive(ServiceError, DecodeError, aio.AbortError) == known


async def code_of(call: Awaitable[object]) -> str:
    """How a call fails; keeps nothing of the failure, which the client's own frames hold."""
    failure = await refused(call)
    name = str(failure.code().name)
    failure.__traceback__ = None
    return name
