"""Calls a front as clients do, and remembers what failed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from grpc import StatusCode, aio

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import ErrorReason, ServiceError
from services.rpc.channel import open_channel
from services.rpc.status import error_from_rpc

TIMEOUT_S = 120.0


class Client:
    """One channel to a front."""

    def __init__(self, channel: aio.Channel) -> None:
        self.stub = pb_grpc.GenerationServiceStub(channel)

    async def explain(
        self, model: str, timeout_s: float = TIMEOUT_S, **fields: object
    ) -> pb.GenerateExplanationResponse:
        """Asks for a whole explanation."""
        values = {"instruction": "Explain the composition.", **fields}
        request = pb.GenerateExplanationRequest(model=model, **values)
        return await self.stub.GenerateExplanation(request, timeout=timeout_s)

    async def failure(self, model: str, timeout_s: float = TIMEOUT_S) -> ServiceError:
        """Asks for an explanation that cannot be had."""
        try:
            await self.explain(model, timeout_s)
        except aio.AioRpcError as error:
            return error_from_rpc(error)
        raise AssertionError("the call succeeded")

    async def state(self, model: str) -> str:
        """Names a model's state; ``gone`` if there is no such model, ``lost`` without a front."""
        try:
            answer = await self.stub.GetModel(pb.GetModelRequest(model=model), timeout=10)
        except aio.AioRpcError as error:
            return "gone" if error.code() is StatusCode.NOT_FOUND else "lost"
        return pb.ModelState.Name(answer.model.state).removeprefix("MODEL_STATE_").lower()

    async def until_state(self, model: str, state: str, within_s: float = TIMEOUT_S) -> None:
        """Waits until a model is in a state."""
        await until_true(
            lambda: self._is(model, state), within_s, f"{model} {state}", lambda: self.state(model)
        )

    async def until_answer(
        self, model: str, within_s: float = TIMEOUT_S, **fields: object
    ) -> pb.GenerateExplanationResponse:
        """Asks until there is an answer; meanwhile the answer may only be UNAVAILABLE."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    return await self.explain(model, **fields)
                except aio.AioRpcError as error:
                    if error.code() is not StatusCode.UNAVAILABLE:
                        raise
                    await asyncio.sleep(0.3)

    async def _is(self, model: str, state: str) -> bool:
        return await self.state(model) == state


class Caller:
    """Calls a model over and over.

    Attributes:
        answered: How many calls were answered.
        failures: What the others got.
    """

    def __init__(self, client: Client, model: str, *, retries_draining: bool = False) -> None:
        self._client = client
        self._model = model
        self._retries_draining = retries_draining
        self.answered = 0
        self.failures: list[str] = []

    async def run(self) -> None:
        """Calls until it is cancelled."""
        while True:
            try:
                await self._client.explain(self._model)
                self.answered += 1
            except aio.AioRpcError as error:
                failure = error_from_rpc(error)
                # gRPC itself cancels what reaches a server just as it closes its connections.
                is_cut = error.code() is StatusCode.CANCELLED
                told = failure.reason is ErrorReason.DRAINING or is_cut
                if not (told and self._retries_draining):
                    self.failures.append(f"{error.code()}: {error.details()}")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def client_of(address: str) -> AsyncIterator[Client]:
    """Opens a channel for a test."""
    async with open_channel(address) as channel:
        yield Client(channel)


@asynccontextmanager
async def undisturbed(
    client: Client, model: str, *, retries_draining: bool = False
) -> AsyncIterator[Caller]:
    """Calls a model meanwhile, and asserts in the end that no call failed."""
    caller = Caller(client, model, retries_draining=retries_draining)
    task = asyncio.create_task(caller.run())
    try:
        yield caller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not caller.failures, caller.failures
    assert caller.answered > 0


async def until_true(
    true: Callable[[], Awaitable[bool]],
    within_s: float,
    what: str,
    now: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Waits until a coroutine function returns True."""
    try:
        async with asyncio.timeout(within_s):
            while not await true():  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.2)
    except TimeoutError:
        found = await now() if now is not None else None
        raise AssertionError(f"not within {within_s:g} s: {what}; now {found}") from None
