"""How both services stop: what is in flight ends, and what is new is sent elsewhere."""

import asyncio
import time
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.errors import DrainingError
from services.rpc.status import error_from_rpc
from tests.contract.rpc_services import BOTH, refused, secured_service, unretried

both_services = pytest.mark.parametrize("kind", BOTH)


@both_services
async def test_a_stop_lets_calls_end_and_refuses_new_ones_on_open_connections(
    kind: str, tmp_path: Path
) -> None:
    grace = {"scoring": {"stop_grace_s": 60}, "generation": {"drain_s": 60}}
    async with (
        secured_service(kind, tmp_path, **grace[kind]) as service,
        unretried(service.address) as channel,
    ):
        await service.quick(channel)
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=service.name))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        service.hold_up()
        in_flight = [
            asyncio.ensure_future(service.slow(channel, timeout=60)),
            asyncio.ensure_future(service.stream(channel, timeout=60).read()),
        ]
        await asyncio.sleep(0.5)  # both have arrived; if not, the test fails below

        stopping = asyncio.ensure_future(service.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        failure = await refused(service.quick(channel))
        assert failure.code() is StatusCode.UNAVAILABLE
        assert isinstance(error_from_rpc(failure), DrainingError)
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not stopping.done()

        service.go_on()
        assert all(await asyncio.gather(*in_flight))
        await stopping
        assert not service.events("calls_cut_off")


@both_services
async def test_calls_that_outlast_the_grace_are_cut_off(kind: str, tmp_path: Path) -> None:
    grace = {"scoring": {"stop_grace_s": 0.3}, "generation": {"drain_s": 0.3}}
    async with (
        secured_service(kind, tmp_path, **grace[kind]) as service,
        unretried(service.address) as channel,
    ):
        await service.quick(channel)
        service.hold_up()
        in_flight = asyncio.ensure_future(service.slow(channel, timeout=60))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await service.stop()
        failure = await refused(in_flight)
        assert failure.code() in {StatusCode.UNAVAILABLE, StatusCode.CANCELLED}
        # Long before its deadline; how long the processes take to end is another matter.
        assert time.monotonic() - began < 30
        assert [event["count"] for event in service.events("calls_cut_off")] == [1]


async def test_a_server_that_is_idle_stops_at_once_whoever_watches_its_health(
    tmp_path: Path,
) -> None:
    async with (
        secured_service("generation", tmp_path, drain_s=60) as service,
        unretried(service.address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert await watch.read()
        async with asyncio.timeout(30):  # half of the grace
            await service.stop()
        with pytest.raises(aio.AioRpcError):
            while await watch.read():
                pass
