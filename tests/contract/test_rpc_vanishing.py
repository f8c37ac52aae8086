"""Peers that vanish without a word, on a network that swallows everything from some moment on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from grpc import StatusCode, aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.rpc import channel as channel_module
from services.rpc import limits
from services.rpc.call_limits import CallLimits
from services.rpc.channel import open_channel
from services.rpc.server import RpcServer
from tests.integration.fault_stack import proxy_to, silenced
from tests.unit.generation.builders import until

SERVICE = "expart.scoring.v1.ScoringService"
# A few times as long as the peers may take to find out, and far less than gRPC's own minute.
NOTICED_S = 20.0


class SilentServicer(pb_grpc.ScoringServiceServicer):
    """Never answers."""

    async def ScoreExplanation(
        self, request: pb.ScoreExplanationRequest, context: aio.ServicerContext
    ) -> pb.ScoreExplanationResponse:
        await asyncio.Event().wait()
        return pb.ScoreExplanationResponse()


@asynccontextmanager
async def silent_server(call_limits: CallLimits) -> AsyncIterator[tuple[RpcServer, str]]:
    server = RpcServer(
        "127.0.0.1:0",
        [SERVICE],
        lambda inner: pb_grpc.add_ScoringServiceServicer_to_server(SilentServicer(), inner),
        call_limits=call_limits,
    )
    port = await server.start()
    try:
        yield server, f"127.0.0.1:{port}"
    finally:
        await server.stop(grace_s=0)


async def test_the_server_cancels_the_calls_of_a_client_that_has_vanished() -> None:
    impatient = CallLimits(keepalive_s=1, keepalive_timeout_s=1)
    async with silent_server(impatient) as (server, address):
        with proxy_to(address) as (proxied, proxy):
            async with open_channel(proxied) as channel:
                call = pb_grpc.ScoringServiceStub(channel).ScoreExplanation(
                    pb.ScoreExplanationRequest(), timeout=600
                )
                await until(lambda: server.calls_in_flight == 1)
                await asyncio.sleep(3)
                # A client that is only silent is asked whether it is there, and is.
                assert server.calls_in_flight == 1
                with silenced(proxy):
                    async with asyncio.timeout(NOTICED_S):
                        await until(lambda: server.calls_in_flight == 0)
                call.cancel()


async def test_a_client_notices_a_server_that_has_vanished_during_a_long_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "KEEPALIVE_TIME_MS", 1000)
    monkeypatch.setattr(limits, "KEEPALIVE_TIMEOUT_MS", 1000)
    # A call that is sent again waits for the network to come back instead of telling.
    monkeypatch.setattr(channel_module, "service_config", lambda **_: "{}")
    async with silent_server(CallLimits()) as (server, address):
        with proxy_to(address) as (proxied, proxy):
            async with open_channel(proxied) as channel:
                call = pb_grpc.ScoringServiceStub(channel).ScoreExplanation(
                    pb.ScoreExplanationRequest(), timeout=600
                )
                await until(lambda: server.calls_in_flight == 1)
                # Longer than the two questions that gRPC asks in a silence if it is left alone.
                await asyncio.sleep(4)
                assert not call.done()
                with silenced(proxy):
                    async with asyncio.timeout(NOTICED_S):
                        assert await call.code() is StatusCode.UNAVAILABLE
