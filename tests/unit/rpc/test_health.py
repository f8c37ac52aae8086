"""Health as it is kept; over a socket it is tested in tests/contract/test_rpc_health.py."""

import asyncio

from grpc_health.v1 import health_pb2

from services.rpc.health import BoundedHealthServicer

State = health_pb2.HealthCheckResponse


async def test_who_watches_and_reads_nothing_holds_up_nobody() -> None:
    health = BoundedHealthServicer()
    health.set("model", serving=True)
    request = health_pb2.HealthCheckRequest(service="model")
    idle = health.Watch(request, None)
    assert (await anext(idle)).status == State.SERVING
    # The idle one is asked for nothing more, as when its answer cannot be sent.
    health.set("model", serving=False)
    async with asyncio.timeout(10):
        assert (await anext(health.Watch(request, None))).status == State.NOT_SERVING
    await idle.aclose()


async def test_a_watch_tells_every_state_that_lasts_and_none_twice() -> None:
    health = BoundedHealthServicer()
    watch = health.Watch(health_pb2.HealthCheckRequest(service="model"), None)
    assert (await anext(watch)).status == State.SERVICE_UNKNOWN
    following = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    health.set("another", serving=True)
    health.set("model", serving=True)
    async with asyncio.timeout(10):
        assert (await following).status == State.SERVING
    health.set("model", serving=False)
    health.set("model", serving=True)  # back before anybody looked
    following = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.01)
    assert not following.done()
    health.end()
    async with asyncio.timeout(10):
        assert (await following).status == State.NOT_SERVING
    health.set("model", serving=True)
    checked = await health.Check(health_pb2.HealthCheckRequest(service="model"), None)
    assert checked.status == State.NOT_SERVING
    await watch.aclose()
