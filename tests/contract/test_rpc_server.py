"""What the server of services.rpc does for every service, seen by a client over a socket."""

from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import (
    FieldViolation,
    InternalError,
    InvalidRequestError,
    ModelLoadingError,
    OverloadedError,
    UnimplementedError,
    UserInputError,
)
from services.rpc.channel import open_channel
from services.rpc.limits import MAX_MESSAGE_BYTES
from services.rpc.server import RpcServer
from services.rpc.status import error_from_rpc

SERVICE = "expart.scoring.v1.ScoringService"
VIOLATION = FieldViolation("item.reference", "must not be empty")


class FailingServicer(pb_grpc.ScoringServiceServicer):
    """Fails as the candidate's text says."""

    async def ScoreExplanation(
        self, request: pb.ScoreExplanationRequest, context: aio.ServicerContext
    ) -> pb.ScoreExplanationResponse:
        if request.item.candidate == "overloaded":
            raise OverloadedError("queue full", retry_after_s=2.5, limit="3")
        if request.item.candidate == "invalid":
            raise InvalidRequestError("bad item", violations=(VIOLATION,))
        if request.item.candidate == "unfinished code":
            raise NotImplementedError
        raise RuntimeError("a secret detail")

    async def ScoreExplanations(
        self, request_iterator: AsyncIterator[object], context: aio.ServicerContext
    ) -> AsyncIterator[pb.ScoreExplanationsResponse]:
        yield pb.ScoreExplanationsResponse(item_id="first")
        raise ModelLoadingError("not yet")


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = RpcServer(
        "127.0.0.1:0",
        [SERVICE],
        lambda inner: pb_grpc.add_ScoringServiceServicer_to_server(FailingServicer(), inner),
    )
    port = await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(grace_s=0)


@pytest.fixture
async def channel(address: str) -> AsyncIterator[aio.Channel]:
    async with open_channel(address) as opened:
        yield opened


@pytest.fixture
async def unretried(address: str) -> AsyncIterator[aio.Channel]:
    """A channel whose first answer is its last: ours would wait as overload asks it to."""
    options = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]
    async with aio.insecure_channel(address, options=options) as opened:
        yield opened


async def score(channel: aio.Channel, candidate: str) -> aio.AioRpcError:
    request = pb.ScoreExplanationRequest(item=pb.ScoringItem(candidate=candidate))
    with pytest.raises(aio.AioRpcError) as caught:
        await pb_grpc.ScoringServiceStub(channel).ScoreExplanation(request, timeout=30)
    return caught.value


async def test_overload_reaches_the_client_with_its_delay(unretried: aio.Channel) -> None:
    failure = await score(unretried, "overloaded")
    error = error_from_rpc(failure)
    assert failure.code() is StatusCode.RESOURCE_EXHAUSTED
    assert isinstance(error, OverloadedError)
    assert (error.message, error.retry_after_s, error.metadata) == (
        "queue full",
        2.5,
        {"limit": "3"},
    )


async def test_field_violations_reach_the_client(channel: aio.Channel) -> None:
    failure = await score(channel, "invalid")
    error = error_from_rpc(failure)
    assert failure.code() is StatusCode.INVALID_ARGUMENT
    assert isinstance(error, InvalidRequestError)
    assert error.violations == (VIOLATION,)


async def test_a_crash_is_answered_as_internal_without_its_text(channel: aio.Channel) -> None:
    failure = await score(channel, "anything else")
    assert failure.code() is StatusCode.INTERNAL
    assert isinstance(error_from_rpc(failure), InternalError)
    assert "secret" not in str(failure.details())


async def test_a_stream_that_fails_midway_keeps_what_it_sent(channel: aio.Channel) -> None:
    call = pb_grpc.ScoringServiceStub(channel).ScoreExplanations(iter(()))
    assert (await call.read()).item_id == "first"
    with pytest.raises(aio.AioRpcError) as caught:
        await call.read()
    assert isinstance(error_from_rpc(caught.value), ModelLoadingError)


async def test_a_method_that_is_not_served_says_so_in_our_terms(channel: aio.Channel) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await pb_grpc.ScoringServiceStub(channel).ListMetrics(pb.ListMetricsRequest())
    assert caught.value.code() is StatusCode.UNIMPLEMENTED
    assert isinstance(error_from_rpc(caught.value), UnimplementedError)


async def test_a_bug_that_looks_like_a_missing_method_is_still_a_bug(
    channel: aio.Channel,
) -> None:
    failure = await score(channel, "unfinished code")
    assert failure.code() is StatusCode.INTERNAL


async def test_a_message_above_the_limit_is_not_taken_for_overload(channel: aio.Channel) -> None:
    failure = await score(channel, "x" * (MAX_MESSAGE_BYTES + 1))
    error = error_from_rpc(failure)
    assert isinstance(error, InvalidRequestError)
    assert not error.retryable


async def test_health_is_served_for_the_server_and_for_each_service(channel: aio.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))
    assert caught.value.code() is StatusCode.NOT_FOUND


async def test_reflection_lists_the_services(channel: aio.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async for answer in stub.ServerReflectionInfo(iter((asked,))):
        names = {service.name for service in answer.list_services_response.service}
        assert {SERVICE, "grpc.health.v1.Health"} <= names
        break


async def test_an_address_in_use_is_refused_in_one_line(channel: aio.Channel) -> None:
    del channel
    first = RpcServer("127.0.0.1:0", [], lambda _: None)
    port = await first.start()
    with pytest.raises(UserInputError, match=f"cannot listen on 127.0.0.1:{port}"):
        await RpcServer(f"127.0.0.1:{port}", [], lambda _: None).start()
    await first.stop(grace_s=0)
