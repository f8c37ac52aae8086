"""Both real services, each with the settings of services.rpc that a test asks for.

The scoring service runs as its own process, the front in this one with a scripted engine; a test
sees an address, a folder for files, and calls that are quick, slow or endless.
"""

import asyncio
import os
import signal
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status
from structlog.testing import capture_logs

from expart.generation.v1 import generation_service_pb2 as generation_pb
from expart.generation.v1 import generation_service_pb2_grpc as generation_grpc
from expart.scoring.v1 import scoring_service_pb2 as scoring_pb
from expart.scoring.v1 import scoring_service_pb2_grpc as scoring_grpc
from services.generation.catalog import ModelSpec
from services.generation.domain import EngineRequest, EngineResult
from services.generation.engines.scripted import ScriptedEngine
from tests.contract.generation_front import RunningFront, generation_front
from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.unit.generation.builders import scripted_spec

BOTH = ("scoring", "generation")
TIMEOUT_S = 30.0


class StreamCall(Protocol):
    """The part of gRPC's two streaming calls that the tests need."""

    async def read(self) -> object: ...

    def cancel(self) -> bool: ...


class SecuredService(Protocol):
    """What the tests need of a service."""

    address: str
    name: str
    quick_method: str
    stream_method: str

    def quick(self, channel: aio.Channel, timeout: float | None = TIMEOUT_S) -> Awaitable[object]:
        """Makes a call that is answered at once."""

    def slow(self, channel: aio.Channel, timeout: float | None = None) -> Awaitable[object]:
        """Makes a call with one response that does not come until the work is let go on."""

    def stream(self, channel: aio.Channel, timeout: float | None = None) -> StreamCall:
        """Opens a stream whose responses do not come until the work is let go on."""

    def hold_up(self) -> None:
        """Lets no slow call and no stream get any further."""

    def go_on(self) -> None:
        """Lets the work go on."""

    def events(self, name: str) -> Sequence[Mapping[str, object]]:
        """The log events of that name so far."""

    def stop(self) -> Awaitable[None]:
        """Tells the service to stop, and waits until it did."""


@dataclass
class SecuredScoring:
    """The scoring service; its only worker can be held up."""

    server: ScoringServer
    name: str = "expart.scoring.v1.ScoringService"
    quick_method: str = "/expart.scoring.v1.ScoringService/ListMetrics"
    stream_method: str = "/expart.scoring.v1.ScoringService/ScoreExplanations"

    @property
    def address(self) -> str:
        return self.server.address

    def quick(self, channel: aio.Channel, timeout: float | None = TIMEOUT_S) -> Awaitable[object]:
        request = scoring_pb.ListMetricsRequest()
        return scoring_grpc.ScoringServiceStub(channel).ListMetrics(request, timeout=timeout)

    def slow(self, channel: aio.Channel, timeout: float | None = None) -> Awaitable[object]:
        request = scoring_pb.ScoreExplanationRequest(item=_ITEM)
        return scoring_grpc.ScoringServiceStub(channel).ScoreExplanation(request, timeout=timeout)

    def stream(self, channel: aio.Channel, timeout: float | None = None) -> StreamCall:
        request = scoring_pb.ScoreExplanationsRequest(item_id="1", item=_ITEM)

        async def requests() -> AsyncIterator[scoring_pb.ScoreExplanationsRequest]:
            yield request
            await asyncio.Event().wait()

        stub = scoring_grpc.ScoringServiceStub(channel)
        return stub.ScoreExplanations(requests(), timeout=timeout)

    def hold_up(self) -> None:
        for worker in self.server.worker_pids():
            os.kill(worker, signal.SIGSTOP)

    def go_on(self) -> None:
        for worker in self.server.worker_pids():
            os.kill(worker, signal.SIGCONT)

    def events(self, name: str) -> Sequence[Mapping[str, object]]:
        return self.server.events(name)

    async def stop(self) -> None:
        self.server.process.terminate()
        assert await asyncio.to_thread(self.server.process.wait, TIMEOUT_S) == 0


class HeldEngine(ScriptedEngine):
    """A scripted engine that says nothing while it is held up."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Waits, then yields what the script says."""
        await self.may_go_on.wait()
        async with aclosing(super().generate(request)) as words:
            async for word in words:
                yield word


@dataclass
class SecuredGeneration:
    """The front; its only engine can be held up."""

    front: RunningFront
    engine: HeldEngine
    logged: list[MutableMapping[str, object]]
    name: str = "expart.generation.v1.GenerationService"
    quick_method: str = "/expart.generation.v1.GenerationService/ListModels"
    stream_method: str = "/expart.generation.v1.GenerationService/StreamExplanation"

    @property
    def address(self) -> str:
        return self.front.address

    def quick(self, channel: aio.Channel, timeout: float | None = TIMEOUT_S) -> Awaitable[object]:
        request = generation_pb.ListModelsRequest()
        return generation_grpc.GenerationServiceStub(channel).ListModels(request, timeout=timeout)

    def slow(self, channel: aio.Channel, timeout: float | None = None) -> Awaitable[object]:
        request = generation_pb.GenerateExplanationRequest(model=_MODEL, instruction="Explain")
        stub = generation_grpc.GenerationServiceStub(channel)
        return stub.GenerateExplanation(request, timeout=timeout)

    def stream(self, channel: aio.Channel, timeout: float | None = None) -> StreamCall:
        request = generation_pb.StreamExplanationRequest(model=_MODEL, instruction="Explain")
        stub = generation_grpc.GenerationServiceStub(channel)
        return stub.StreamExplanation(request, timeout=timeout)

    def hold_up(self) -> None:
        self.engine.may_go_on.clear()

    def go_on(self) -> None:
        self.engine.may_go_on.set()

    def events(self, name: str) -> Sequence[Mapping[str, object]]:
        return [event for event in self.logged if event["event"] == name]

    async def stop(self) -> None:
        await self.front.front.stop()


_MODEL = "model"
_ITEM = scoring_pb.ScoringItem(candidate="In the Louvre.", reference="Paris.", entities=["Louvre"])


@asynccontextmanager
async def secured_service(
    kind: str, folder: Path, **settings: object
) -> AsyncIterator[SecuredService]:
    """Runs one of :data:`BOTH` with some settings of services.rpc, by their names."""
    async with AsyncExitStack() as stack:
        if kind == "scoring":
            variables = {name.upper(): str(value) for name, value in settings.items()}
            yield SecuredScoring(stack.enter_context(scoring_server(folder, **variables)))
            return
        logged = stack.enter_context(capture_logs())
        spec = scripted_spec(_MODEL)
        engine = HeldEngine(spec)
        settings = {"drain_s": 10, **settings}
        front = await stack.enter_async_context(
            generation_front(spec, build=lambda _: engine, **settings)
        )
        yield SecuredGeneration(front, engine, logged)


async def refused(call: Awaitable[object]) -> aio.AioRpcError:
    """Awaits a call that fails."""
    try:
        await call
    except aio.AioRpcError as failure:
        return failure
    raise AssertionError("the call was answered")


def reason_of(failure: aio.AioRpcError) -> str:
    """The reason of a failure's one ErrorInfo."""
    status = rpc_status.from_call(failure)
    assert status is not None, failure
    info = error_details_pb2.ErrorInfo()
    (found,) = [detail for detail in status.details if detail.Is(info.DESCRIPTOR)]
    found.Unpack(info)
    assert info.domain == "expart"
    return str(info.reason)


def unretried(address: str) -> aio.Channel:
    """A channel without the contract's retries and timeouts, as another team's may be."""
    options = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]
    return aio.insecure_channel(address, options=options)
