"""Clients that put the generation service under load, and what became of their calls."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from grpc import aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation.catalog import Catalog, ModelSpec
from services.generation.local import LocalGeneration, start_local
from services.generation.settings import GenerationSettings
from tests.bench.generation_questions import NEW_TOKENS, Asked

TIMEOUT_S = 120.0


def quantile(values: Sequence[float], share: float) -> float:
    """What that share of the values does not exceed; NaN without values."""
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))] if ordered else float("nan")


@contextmanager
def stack(specs: Sequence[ModelSpec], **settings: object) -> Iterator[LocalGeneration]:
    """Runs a local stack of these models on Ray Serve."""
    catalog = Catalog({spec.name: spec for spec in specs})
    with TemporaryDirectory() as folder:
        log = Path(folder) / "generation.log"
        chosen = GenerationSettings().model_copy(update=settings)
        with start_local(catalog, catalog.names, log_path=log, settings=chosen) as local:
            yield local


@asynccontextmanager
async def stubs(
    address: str, count: int = 4
) -> AsyncIterator["Sequence[pb_grpc.GenerationServiceAsyncStub]"]:
    """Opens so many connections, without retries."""
    options = [
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", -1),
    ]
    channels = [aio.insecure_channel(address, options=options) for _ in range(count)]
    try:
        yield [pb_grpc.GenerationServiceStub(channel) for channel in channels]
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


def question_request(
    model: str, asked: Asked, tokens: int = NEW_TOKENS
) -> pb.StreamExplanationRequest:
    """Asks for exactly so many tokens, the likeliest each time, as a sweep does."""
    return pb.StreamExplanationRequest(
        model=model,
        image=content_pb2.Image(data=asked.image.read_bytes()),
        instruction=asked.instruction,
        sampling=pb.SamplingParameters(max_tokens=tokens, min_tokens=tokens, temperature=0),
        lane=pb.LANE_SWEEP,
    )


def word_request(
    model: str, lane: "pb.Lane.ValueType" = pb.LANE_SWEEP
) -> pb.GenerateExplanationRequest:
    """Asks a scripted model for whatever its entry says; every request is another one."""
    return pb.GenerateExplanationRequest(
        model=model, instruction=f"Explain {random.random()}", lane=lane
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that ended: when it was sent, how long it took, its code, and its refusal's hint."""

    sent_s: float
    took_s: float
    code: str
    says_when: bool

    @property
    def ended_s(self) -> float:
        return self.sent_s + self.took_s


async def call(
    stub: "pb_grpc.GenerationServiceAsyncStub", request: pb.GenerateExplanationRequest
) -> Ended:
    """Makes a unary call."""
    sent_s = time.monotonic()
    code, says_when = "OK", False
    try:
        await stub.GenerateExplanation(request, timeout=TIMEOUT_S)
    except aio.AioRpcError as failure:
        code = failure.code().name
        says_when = "grpc-retry-pushback-ms" in dict(failure.trailing_metadata() or ())
    return Ended(sent_s, time.monotonic() - sent_s, code, says_when)


async def in_turn(
    connections: "Sequence[pb_grpc.GenerationServiceAsyncStub]",
    lines: int,
    for_s: float,
    make: Callable[[], pb.GenerateExplanationRequest],
) -> list[Ended]:
    """Keeps so many calls in flight for a while."""
    ended: list[Ended] = []
    stop_s = time.monotonic() + for_s

    async def line(number: int) -> None:
        while time.monotonic() < stop_s:
            ended.append(await call(connections[number % len(connections)], make()))

    await asyncio.gather(*(line(number) for number in range(lines)))
    return ended


async def at_rate(
    connections: "Sequence[pb_grpc.GenerationServiceAsyncStub]",
    calls_per_s: float,
    for_s: float,
    make: Callable[[], pb.GenerateExplanationRequest],
) -> list[Ended]:
    """Begins so many calls a second for a while, whatever becomes of them."""
    ended: list[Ended] = []

    async def one(number: int) -> None:
        ended.append(await call(connections[number % len(connections)], make()))

    began_s = time.monotonic()
    async with asyncio.TaskGroup() as calls:
        for number in range(int(calls_per_s * for_s)):
            await asyncio.sleep(began_s + number / calls_per_s - time.monotonic())
            calls.create_task(one(number))
    return ended


def codes(ended: Sequence[Ended]) -> dict[str, int]:
    """How many calls ended with which code."""
    return dict(Counter(call.code for call in ended))
