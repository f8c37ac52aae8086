"""However a call ends, its place is free again: seen at a real server over a socket."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc import StatusCode, aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import InvalidRequestError
from services.rpc.call_limits import CallLimits
from services.rpc.limits import MAX_MESSAGE_BYTES
from services.rpc.security import ServerSecurity
from services.rpc.server import RpcServer
from tests.contract.rpc_services import refused, unretried
from tests.contract.test_rpc_tokens import ALICE, token_file
from tests.unit.generation.builders import until


class MoodyServicer(pb_grpc.ScoringServiceServicer):
    """Ends calls in every way there is, as the request says."""

    async def ScoreExplanation(
        self, request: pb.ScoreExplanationRequest, context: aio.ServicerContext
    ) -> pb.ScoreExplanationResponse:
        await self._end(request.item.candidate, context)
        return pb.ScoreExplanationResponse()

    async def ScoreExplanations(
        self,
        request_iterator: AsyncIterator[pb.ScoreExplanationsRequest],
        context: aio.ServicerContext,
    ) -> AsyncIterator[pb.ScoreExplanationsResponse]:
        async for request in request_iterator:
            # Large enough to fill the connection, so that a cancellation finds it being sent.
            yield pb.ScoreExplanationsResponse(item_id="x" * 100_000)
            await self._end(request.item.candidate, context)

    async def _end(self, how: str, context: aio.ServicerContext) -> None:
        if how == "wait":
            await asyncio.Event().wait()
        elif how == "ours":
            raise InvalidRequestError("no")
        elif how == "crash":
            raise RuntimeError("a bug")
        elif how == "abort":
            await context.abort(StatusCode.ABORTED, "a servicer's own")
        elif how == "swallow":
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                raise KeyError("badly written clean-up") from None
        elif how == "late":
            await asyncio.sleep(0.01)


WAYS = ("wait", "ours", "crash", "abort", "swallow", "late", "well")


async def one_call(stub: pb_grpc.ScoringServiceStub, dice: random.Random) -> None:
    """Makes a call of some kind, and ends it in some way at some moment."""
    item = pb.ScoringItem(candidate=dice.choice(WAYS))
    timeout = dice.choice([0.005, 0.05, 0.2])
    if dice.random() < 0.5:
        call = stub.ScoreExplanation(pb.ScoreExplanationRequest(item=item), timeout=timeout)
        reading = asyncio.ensure_future(call)
    else:
        requests = [pb.ScoreExplanationsRequest(item_id=str(n), item=item) for n in range(3)]
        call = stub.ScoreExplanations(iter(requests), timeout=timeout)
        reading = asyncio.ensure_future(call.read())
    if dice.random() < 0.4:
        await asyncio.sleep(dice.choice([0, 0.001, 0.01]))
        call.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    call.cancel()


@pytest.mark.parametrize("seed", range(4))
async def test_no_place_is_lost_however_calls_end(seed: int) -> None:
    server = RpcServer(
        "127.0.0.1:0",
        ["expart.scoring.v1.ScoringService"],
        lambda inner: pb_grpc.add_ScoringServiceServicer_to_server(MoodyServicer(), inner),
        call_limits=CallLimits(max_calls_per_client=20, unary_timeout_s=0.1),
    )
    port = await server.start()
    dice = random.Random(seed)
    async with unretried(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        for _ in range(5):
            await asyncio.gather(*(one_call(stub, dice) for _ in range(30)))
        await until(lambda: server.calls_in_flight == 0)
        # All twenty places can be had at the same time.
        item = pb.ScoringItem(candidate="late")
        request = pb.ScoreExplanationRequest(item=item)
        await asyncio.gather(*(stub.ScoreExplanation(request, timeout=30) for _ in range(20)))
    await until(lambda: server.calls_in_flight == 0)
    await server.stop(grace_s=5)


async def test_a_call_without_a_token_is_refused_before_its_request_is_read(
    tmp_path: Path,
) -> None:
    servicer = MoodyServicer()
    server = RpcServer(
        "127.0.0.1:0",
        ["expart.scoring.v1.ScoringService"],
        lambda inner: pb_grpc.add_ScoringServiceServicer_to_server(servicer, inner),
        security=ServerSecurity(token_file=token_file(tmp_path, alice=ALICE)),
    )
    port = await server.start()
    options = [("grpc.max_send_message_length", MAX_MESSAGE_BYTES)]
    async with aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        large = pb.ScoringItem(candidate="x" * (MAX_MESSAGE_BYTES - 1000))
        failure = await refused(
            stub.ScoreExplanation(pb.ScoreExplanationRequest(item=large), timeout=30)
        )
        assert failure.code() is StatusCode.UNAUTHENTICATED
        # A stream that never sends anything is refused as well.
        assert (await refused(stub.ScoreExplanations().read())).code() is StatusCode.UNAUTHENTICATED
    await server.stop(grace_s=0)
