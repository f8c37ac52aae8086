"""The real front over a real socket, with scripted engines instead of Ray and vLLM."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from grpc import aio

from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation.catalog import Catalog, ModelSpec
from services.generation.domain import ModelCondition
from services.generation.engine import Engine
from services.generation.engines import build_engine
from services.generation.front import Front
from services.generation.router import LocalRouter
from services.generation.runner import ModelRunner
from services.generation.settings import GenerationSettings
from services.rpc.channel import open_channel


class ArrangedRouter(LocalRouter):
    """A router whose models' conditions a test may set."""

    arranged: Mapping[str, ModelCondition] = {}

    async def conditions(self) -> Mapping[str, ModelCondition]:
        """Says how every model is, as arranged."""
        return {**await super().conditions(), **self.arranged}


@dataclass(frozen=True, slots=True)
class RunningFront:
    """A front and a client of it."""

    address: str
    channel: aio.Channel
    stub: pb_grpc.GenerationServiceStub
    router: ArrangedRouter
    runners: Mapping[str, ModelRunner]
    front: Front


@asynccontextmanager
async def generation_front(
    *specs: ModelSpec,
    arranged: Mapping[str, ModelCondition] | None = None,
    build: Callable[[ModelSpec], Engine] = build_engine,
    reuse_port: bool = False,
    **settings: object,
) -> AsyncIterator[RunningFront]:
    """Runs a front for some models; further arguments are its settings."""
    runners = {spec.name: ModelRunner(spec, build(spec), delta_interval_s=0.0) for spec in specs}
    router = ArrangedRouter(runners)
    router.arranged = arranged or {}
    await router.start()
    values = {"port": 0, "drain_s": 0, "state_interval_s": 0.02, **settings}
    chosen = GenerationSettings.model_validate(values)
    front = Front(
        Catalog({spec.name: spec for spec in specs}), router, chosen, reuse_port=reuse_port
    )
    port = await front.start()
    address = f"127.0.0.1:{port}"
    try:
        async with open_channel(address) as channel:
            stub = pb_grpc.GenerationServiceStub(channel)
            yield RunningFront(address, channel, stub, router, runners, front)
    finally:
        await front.stop()
        await router.stop()
