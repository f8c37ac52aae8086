"""Health checks need no token, so what they cost is bounded."""

import asyncio

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.errors import OverloadedError
from services.rpc import gate, health
from services.rpc.call_limits import CallLimits
from services.rpc.server import RpcServer
from services.rpc.status import error_from_rpc
from tests.contract.rpc_services import reason_of, refused, unretried
from tests.contract.test_rpc_silence import patient_server, silence

SERVING = health_pb2.HealthCheckResponse.SERVING


def asking(name: str = "") -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=name)


async def test_only_so_many_watch_and_checks_are_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "MAX_HEALTH_WATCHES", 3)
    async with patient_server(CallLimits()) as (_, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(asking(f"{number}")) for number in range(3)]
        for watch in watches:
            await watch.read()
        failure = await refused(stub.Watch(asking()).read())
        assert failure.code() is StatusCode.RESOURCE_EXHAUSTED
        error = error_from_rpc(failure)
        assert isinstance(error, OverloadedError)
        assert error.metadata == {"max_watches": "3"}
        assert (await stub.Check(asking())).status == SERVING
        # Who goes makes room.
        watches[0].cancel()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert (await stub.Watch(asking()).read()).status == SERVING
                    break
                except aio.AioRpcError:
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize(("size", "is_refused"), [(256, False), (257, True)])
async def test_a_name_that_no_service_has_is_refused(size: int, is_refused: bool) -> None:
    async with patient_server(CallLimits()) as (_, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        checked = await refused(stub.Check(asking("x" * size)))
        if not is_refused:
            assert checked.code() is StatusCode.NOT_FOUND
            unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            assert (await stub.Watch(asking("x" * size)).read()).status == unknown
            return
        watched = await refused(stub.Watch(asking("x" * size)).read())
        for failure in (checked, watched):
            assert failure.code() is StatusCode.INVALID_ARGUMENT
            assert reason_of(failure) == "INVALID_REQUEST"


async def test_only_so_many_checks_are_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_PROBES", 2)
    async with patient_server(CallLimits()) as (_, channel):
        check = channel.stream_unary("/grpc.health.v1.Health/Check")
        held = [check(silence()) for _ in range(2)]
        await asyncio.sleep(0.2)  # the third comes after them on the same connection anyway
        failure = await refused(check(silence()))
        assert failure.code() is StatusCode.RESOURCE_EXHAUSTED
        for call in held:
            assert not call.done()
            call.cancel()


async def test_a_connection_that_is_old_is_given_up_after_its_calls() -> None:
    limits = CallLimits(max_connection_age_s=0.5, max_connection_grace_s=0.5)
    server = RpcServer("127.0.0.1:0", [], lambda _: None, call_limits=limits)
    port = await server.start()
    async with unretried(f"127.0.0.1:{port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(asking())
        assert (await watch.read()).status == SERVING
        async with asyncio.timeout(30):
            assert (await refused(watch.read())).code() is StatusCode.UNAVAILABLE
        assert (await health_pb2_grpc.HealthStub(channel).Check(asking())).status == SERVING
    await server.stop(grace_s=0)
