"""What a load balancer's health check hears of a front whose models are loading."""

from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.generation.domain import ModelCondition, ModelState
from tests.contract.generation_front import generation_front
from tests.unit.generation.builders import scripted_spec

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LOADING = ModelCondition(ModelState.LOADING, "a replica is starting")
READY = ModelCondition(ModelState.READY, ready_replica_count=1)
TIMEOUT_S = 20


async def test_a_front_serves_the_check_once_its_models_are_loaded_and_from_then_on() -> None:
    specs = [scripted_spec("first"), scripted_spec("second")]
    loading = {"first": READY, "second": LOADING}
    async with generation_front(*specs, arranged=loading, load_wait_s=600) as front:
        health = health_pb2_grpc.HealthStub(front.channel)
        watch = aiter(health.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S))
        assert (await anext(watch)).status == NOT_SERVING
        # What is loaded answers those who come all the same.
        model = health_pb2.HealthCheckRequest(service="first")
        assert (await health.Check(model, timeout=TIMEOUT_S)).status == SERVING
        front.router.arranged = {"first": READY, "second": READY}
        assert (await anext(watch)).status == SERVING
        # A model that is replaced later is no reason to send everybody away.
        front.router.arranged = {"first": LOADING, "second": READY}
        told = aiter(health.Watch(model, timeout=TIMEOUT_S))
        while (await anext(told)).status == SERVING:
            pass
        whole = await health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        assert whole.status == SERVING


async def test_without_the_setting_it_waits_for_nothing() -> None:
    async with generation_front(scripted_spec("slow"), arranged={"slow": LOADING}) as front:
        health = health_pb2_grpc.HealthStub(front.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        assert answer.status == SERVING
