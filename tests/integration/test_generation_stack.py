"""The generation service as users run it: Ray Serve, vLLM, and replicas that are killed."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from grpc import StatusCode, aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import (
    EngineUnavailableError,
    GenerationAbortedError,
    ImageInvalidError,
    ModelNotFoundError,
    PromptTooLongError,
    ServiceError,
)
from services.generation.catalog import Catalog, load_catalog
from services.generation.local import LoadingProgress, LocalGeneration, start_local
from services.generation.settings import local_ray_environment
from services.rpc.channel import open_channel
from services.rpc.status import error_from_rpc
from tests.unit.generation.builders import picture, scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

PROJECT = Path(__file__).parents[2]
TIMEOUT_S = 120.0
LLM = "demo-tiny"
# A word a minute: such a generation ends only by being ended.
SLOW, MORTAL = scripted_spec("slow", per_token_s=60), scripted_spec("mortal", per_token_s=60)


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A local stack, and what was reported while it started."""

    local: LocalGeneration
    progress: tuple[LoadingProgress, ...]


@pytest.fixture(scope="module")
def running(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    entries = {spec.name: spec for spec in load_catalog(PROJECT / "deploy/models", demo_models)}
    catalog = Catalog({**entries, SLOW.name: SLOW, MORTAL.name: MORTAL})
    steps: list[LoadingProgress] = []
    log_path = tmp_path_factory.mktemp("generation") / "generation.log"
    with start_local(
        catalog, [LLM, SLOW.name, MORTAL.name], progress=steps.append, log_path=log_path
    ) as local:
        yield RunningStack(local, tuple(steps))


@pytest.fixture
async def stub(running: RunningStack) -> AsyncIterator[pb_grpc.GenerationServiceStub]:
    async with open_channel(running.local.address) as channel:
        yield pb_grpc.GenerationServiceStub(channel)


class Probe:
    """Asks a model's engine how many generations it has."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def running_count(self) -> int:
        return int(await asyncio.to_thread(self._ask))

    async def until_idle(self, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while await self.running_count() > 0:  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.05)

    def _ask(self) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def probe_of(local: LocalGeneration, model: str) -> Iterator[Probe]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.generation_probe", local.ray_address, model],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=local_ray_environment(local.ray_token),
    ) as process:
        yield Probe(process)
        assert process.stdin is not None
        process.stdin.close()


def whole(model: str = LLM, **fields: object) -> pb.GenerateExplanationRequest:
    values = {"instruction": "Explain the history of this artwork.", **fields}
    return pb.GenerateExplanationRequest(model=model, **values)


def streamed(model: str = LLM, **fields: object) -> pb.StreamExplanationRequest:
    values = {"instruction": "Explain the history of this artwork.", **fields}
    return pb.StreamExplanationRequest(model=model, **values)


async def error_of(call: object) -> ServiceError:
    try:
        await call  # type: ignore[misc]
    except aio.AioRpcError as failure:
        return error_from_rpc(failure)
    pytest.fail("the call succeeded")


def replica_of(local: LocalGeneration, model: str) -> psutil.Process:
    title = f"ServeReplica:model-{model}:"
    (found,) = (
        process
        for process in psutil.Process(local.process_id).children(recursive=True)
        if title in " ".join(process.cmdline()[:1])
    )
    return found


def test_every_model_was_reported_as_it_came_up(running: RunningStack) -> None:
    models = {step.model: step.state for step in running.progress if step.model}
    assert set(models) == {LLM, SLOW.name, MORTAL.name}
    assert set(models.values()) == {"ready"}


async def test_a_stream_and_a_whole_answer_are_the_same_text(
    stub: pb_grpc.GenerationServiceStub,
) -> None:
    image = content_pb2.Image(data=picture().data)
    sampling = pb.SamplingParameters(max_tokens=40)
    answer = await stub.GenerateExplanation(
        whole(image=image, sampling=sampling), timeout=TIMEOUT_S
    )
    events = [
        event
        async for event in stub.StreamExplanation(
            streamed(image=image, sampling=sampling), timeout=TIMEOUT_S
        )
    ]
    assert answer.text
    assert "".join(event.text_delta for event in events) == answer.text
    completion = events[-1].completion
    assert completion.usage == answer.completion.usage
    assert 0 < completion.usage.image_token_count < completion.usage.prompt_token_count
    assert 0 < completion.usage.generated_token_count <= 40
    origin = completion.provenance
    assert (origin.model, origin.engine, origin.dtype) == (LLM, "vllm", "float32")
    assert origin.revision.startswith("sha256:")
    assert origin.image_digest == picture().digest
    assert completion.timings.decode_duration.ToNanoseconds() > 0


async def test_the_picture_matters(stub: pb_grpc.GenerationServiceStub) -> None:
    texts = set()
    for colour in ("black", "yellow"):
        image = content_pb2.Image(data=picture(colour).data)
        answer = await stub.GenerateExplanation(
            whole(image=image, sampling=pb.SamplingParameters(max_tokens=40, min_tokens=40)),
            timeout=TIMEOUT_S,
        )
        texts.add(answer.text)
    assert len(texts) == 2


async def test_stop_texts_and_seeds_reach_the_engine(stub: pb_grpc.GenerationServiceStub) -> None:
    free = pb.SamplingParameters(max_tokens=30, temperature=1.0, seed=7)
    first = await stub.GenerateExplanation(whole(sampling=free), timeout=TIMEOUT_S)
    again = await stub.GenerateExplanation(whole(sampling=free), timeout=TIMEOUT_S)
    assert first.text == again.text
    stop = first.text[len(first.text) // 2 :][:3]
    cut = pb.SamplingParameters(max_tokens=30, temperature=1.0, seed=7, stop=[stop])
    stopped = await stub.GenerateExplanation(whole(sampling=cut), timeout=TIMEOUT_S)
    assert stopped.text == first.text[: first.text.index(stop)]
    assert stopped.completion.finish_reason == pb.FINISH_REASON_STOP


async def test_what_the_engine_refuses_keeps_its_reason_on_the_way(
    stub: pb_grpc.GenerationServiceStub,
) -> None:
    # The replica finds this out; the front finds out the others.
    long = await error_of(
        stub.GenerateExplanation(whole(instruction="word " * 600), timeout=TIMEOUT_S)
    )
    assert isinstance(long, PromptTooLongError)
    assert "\n" not in long.message
    unknown = await error_of(stub.GenerateExplanation(whole("nope"), timeout=TIMEOUT_S))
    assert isinstance(unknown, ModelNotFoundError)
    broken = whole(image=content_pb2.Image(data=b"no picture"))
    invalid = await error_of(stub.GenerateExplanation(broken, timeout=TIMEOUT_S))
    assert isinstance(invalid, ImageInvalidError)


async def test_a_picture_larger_than_grpc_s_default_limit_reaches_the_replica(
    stub: pb_grpc.GenerationServiceStub,
) -> None:
    noise = random.Random(0).randbytes(5 * 2**20)
    # Bytes after a PNG's end are ignored by decoders, but travel.
    image = content_pb2.Image(data=picture().data + noise)
    request = whole(SLOW.name, image=image, sampling=pb.SamplingParameters(max_tokens=1))
    answer = await stub.GenerateExplanation(request, timeout=TIMEOUT_S)
    assert answer.text


async def test_cancelled_streams_free_their_places_in_vllm(
    running: RunningStack, stub: pb_grpc.GenerationServiceStub
) -> None:
    # 16 x 400 tokens take this model several seconds; cancelled, the engine is idle within two.
    sampling = pb.SamplingParameters(max_tokens=400, min_tokens=400)
    with probe_of(running.local, LLM) as probe:
        assert await probe.running_count() == 0
        calls = [stub.StreamExplanation(streamed(sampling=sampling)) for _ in range(16)]
        for call in calls:
            assert (await call.read()).text_delta
        assert await probe.running_count() > 8
        for call in calls:
            call.cancel()
        await probe.until_idle(within_s=2.0)


async def test_random_cancels_and_deadlines_leave_nothing_running(
    running: RunningStack, stub: pb_grpc.GenerationServiceStub
) -> None:
    moments = random.Random(0)

    async def abandon(index: int) -> None:
        after_s = moments.uniform(0.0, 0.5)
        if index % 2:
            call = stub.StreamExplanation(streamed(SLOW.name), timeout=after_s + 0.001)
        else:
            call = stub.StreamExplanation(streamed(SLOW.name))
            asyncio.get_running_loop().call_later(after_s, call.cancel)
        try:
            async for _ in call:
                pass
        except (aio.AioRpcError, asyncio.CancelledError):
            return
        pytest.fail("a word a minute cannot have ended")

    with probe_of(running.local, SLOW.name) as probe:
        assert await probe.running_count() == 0
        await asyncio.gather(*(abandon(index) for index in range(200)))
        await probe.until_idle(within_s=5.0)


async def test_a_killed_replica_is_told_honestly_and_replaced(
    running: RunningStack, stub: pb_grpc.GenerationServiceStub
) -> None:
    started = stub.StreamExplanation(streamed(MORTAL.name), timeout=TIMEOUT_S)
    assert (await started.read()).text_delta
    unary = asyncio.ensure_future(stub.GenerateExplanation(whole(MORTAL.name), timeout=TIMEOUT_S))
    untouched = stub.StreamExplanation(streamed(SLOW.name))
    assert (await untouched.read()).text_delta
    await asyncio.sleep(0.5)  # lets the whole answer's call reach the replica

    replica_of(running.local, MORTAL.name).kill()

    with pytest.raises(aio.AioRpcError) as caught:
        await started.read()
    assert caught.value.code() == StatusCode.ABORTED
    assert isinstance(error_from_rpc(caught.value), GenerationAbortedError)
    assert isinstance(await error_of(unary), EngineUnavailableError)

    # Another model noticed nothing, and the killed one comes back by itself.
    assert not untouched.done()
    untouched.cancel()
    assert (await answered_again(stub)).text


async def answered_again(stub: pb_grpc.GenerationServiceStub) -> pb.GenerateExplanationResponse:
    """Asks the killed model until it answers; meanwhile it may only say UNAVAILABLE."""
    request = whole(MORTAL.name, sampling=pb.SamplingParameters(max_tokens=1))
    codes: set[StatusCode] = set()
    async with asyncio.timeout(TIMEOUT_S):
        while codes <= {StatusCode.UNAVAILABLE}:
            try:
                return await stub.GenerateExplanation(request, timeout=TIMEOUT_S)
            except aio.AioRpcError as failure:
                codes.add(failure.code())
                await asyncio.sleep(0.5)
    pytest.fail(f"answered with {codes}")
