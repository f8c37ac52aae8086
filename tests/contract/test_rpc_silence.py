"""Clients that open calls and then say nothing: counted, timed, and ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import DeadlineExceededError, OverloadedError
from services.rpc import interceptors
from services.rpc.call_limits import CallLimits
from services.rpc.server import RpcServer
from services.rpc.status import error_from_rpc
from tests.contract.rpc_services import reason_of, refused, unretried
from tests.unit.generation.builders import until

SERVICE = "expart.scoring.v1.ScoringService"
UNARY, STREAM = f"/{SERVICE}/ScoreExplanation", f"/{SERVICE}/ScoreExplanations"


class PatientServicer(pb_grpc.ScoringServiceServicer):
    """Answers each request after as many seconds as its candidate says, with so long a text."""

    def __init__(self) -> None:
        self.read = 0

    async def ScoreExplanation(
        self, request: pb.ScoreExplanationRequest, context: aio.ServicerContext
    ) -> pb.ScoreExplanationResponse:
        self.read += 1
        return pb.ScoreExplanationResponse()

    async def ScoreExplanations(
        self,
        request_iterator: AsyncIterator[pb.ScoreExplanationsRequest],
        context: aio.ServicerContext,
    ) -> AsyncIterator[pb.ScoreExplanationsResponse]:
        waiting = asyncio.ensure_future(anext(request_iterator, None))
        while (request := await waiting) is not None:
            # As a real one, it reads on while it works.
            waiting = asyncio.ensure_future(anext(request_iterator, None))
            await asyncio.sleep(float(request.item.candidate))
            yield pb.ScoreExplanationsResponse(item_id=request.item_id)


@asynccontextmanager
async def patient_server(limits: CallLimits) -> AsyncIterator[tuple[RpcServer, aio.Channel]]:
    servicer = PatientServicer()
    server = RpcServer(
        "127.0.0.1:0",
        [SERVICE],
        lambda inner: pb_grpc.add_ScoringServiceServicer_to_server(servicer, inner),
        call_limits=limits,
    )
    port = await server.start()
    async with unretried(f"127.0.0.1:{port}") as channel:
        yield server, channel
    await server.stop(grace_s=0)


async def silence() -> AsyncIterator[bytes]:
    """Sends nothing, for ever."""
    await asyncio.Event().wait()
    yield b""


def request_of(candidate: str) -> bytes:
    item = pb.ScoringItem(candidate=candidate)
    return pb.ScoreExplanationsRequest(item_id="1", item=item).SerializeToString()


async def test_a_call_whose_request_does_not_come_holds_a_place_as_any_other() -> None:
    limits = CallLimits(max_calls=10, max_calls_per_client=3)
    async with patient_server(limits) as (server, channel):
        held = [channel.stream_unary(UNARY)(silence()) for _ in range(3)]
        await until(lambda: server.calls_in_flight == 3)
        failure = await refused(channel.stream_unary(UNARY)(silence()))
        error = error_from_rpc(failure)
        assert isinstance(error, OverloadedError)
        assert error.metadata == {"client": "127.0.0.1", "max_calls_per_client": "3"}
        for call in held:
            call.cancel()
        await until(lambda: server.calls_in_flight == 0)


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_a_call_whose_request_does_not_come_is_ended(method: str) -> None:
    async with patient_server(CallLimits(idle_timeout_s=0.3)) as (server, channel):
        # However long the client is ready to wait.
        failure = await refused(channel.stream_unary(method)(silence(), timeout=100_000))
        assert failure.code() is StatusCode.DEADLINE_EXCEEDED
        error = error_from_rpc(failure)
        assert isinstance(error, DeadlineExceededError)
        assert error.metadata == {"idle_timeout_s": "0.3"}
        assert server.calls_in_flight == 0


async def test_a_call_without_a_deadline_is_timed_while_its_request_comes() -> None:
    async with patient_server(CallLimits(unary_timeout_s=0.3)) as (_, channel):
        error = error_from_rpc(await refused(channel.stream_unary(UNARY)(silence())))
        assert isinstance(error, DeadlineExceededError)
        assert error.metadata == {"unary_timeout_s": "0.3"}


async def test_a_stream_is_ended_for_the_clients_silence_and_not_for_the_servers() -> None:
    async with patient_server(CallLimits(idle_timeout_s=0.5)) as (server, channel):
        call = channel.stream_stream(STREAM)()
        for _ in range(2):
            # Twice the limit, and the client may be silent as long: it waits for the answer.
            await call.write(request_of("1.0"))
            assert await call.read()
        assert server.calls_in_flight == 1
        failure = await refused(call.read())  # nothing is asked now
        assert reason_of(failure) == "DEADLINE_EXCEEDED"
        await until(lambda: server.calls_in_flight == 0)


async def test_a_client_that_takes_no_responses_is_ended() -> None:
    async with patient_server(CallLimits(idle_timeout_s=0.5)) as (server, channel):
        requests = iter(
            [
                pb.ScoreExplanationsRequest(
                    item_id="x" * 2_000_000, item=pb.ScoringItem(candidate="0")
                ).SerializeToString()
            ]
            * 20
        )
        call = channel.stream_stream(STREAM)(requests)
        await until(lambda: server.calls_in_flight == 1)
        await until(lambda: server.calls_in_flight == 0)
        call.cancel()


@pytest.mark.parametrize("method", [UNARY, "/grpc.health.v1.Health/Check"])
async def test_a_call_that_ends_without_a_request_is_the_callers_fault(method: str) -> None:
    async with patient_server(CallLimits()) as (_, channel):
        failure = await refused(channel.stream_unary(method)(iter(())))
        assert failure.code() is StatusCode.INVALID_ARGUMENT
        assert reason_of(failure) == "INVALID_REQUEST"
        assert "carries no request" in str(failure.details())


async def test_of_two_requests_where_one_belongs_the_first_is_answered() -> None:
    async with patient_server(CallLimits()) as (_, channel):
        assert await channel.stream_unary(UNARY)(iter([b"", b""])) is not None


async def test_a_health_check_whose_request_does_not_come_is_ended_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interceptors, "PROBE_IDLE_TIMEOUT_S", 0.3)
    async with patient_server(CallLimits()) as (_, channel):
        check = channel.stream_unary("/grpc.health.v1.Health/Check")
        assert (await refused(check(silence()))).code() is StatusCode.DEADLINE_EXCEEDED
        # Somebody who watches is waited for by nobody: the silence is the server's.
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        reading = asyncio.ensure_future(watch.read())
        await asyncio.sleep(0.7)
        assert not reading.done()
        watch.cancel()
        reading.cancel()
