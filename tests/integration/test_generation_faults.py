"""What users are told, and what is left running, when parts of the real stack fail."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from grpc import StatusCode, aio

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
    ModelFailedError,
)
from services.generation.catalog import Catalog, ModelSpec, ScriptedFault, load_catalog
from services.generation.local import start_local
from services.rpc.channel import open_channel
from tests.integration.fault_stack import (
    IMPATIENT,
    PROJECT,
    STANDSTILL_S,
    TIMEOUT_S,
    Stack,
    answered_again,
    driver_of,
    error_of,
    failure_of,
    proxy_to,
    silenced,
    state_of,
    streamed,
    until_ended,
    whole,
)
from tests.unit.generation.builders import scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

LLM = "demo-tiny"
# A word a minute: such a generation ends only by being ended.
SLOW = scripted_spec("slow", per_token_s=60)
UPGRADED = scripted_spec("upgraded")


def with_script(spec: ModelSpec, **script: object) -> ModelSpec:
    return spec.model_copy(update={"scripted": spec.scripted.model_copy(update=script)})


FAULTY = with_script(
    scripted_spec("faulty", per_token_s=0.05).model_copy(update={"stall_s": 3.0}),
    faults=(
        ScriptedFault(action="crash", instruction_contains="crash at once"),
        ScriptedFault(action="crash", instruction_contains="crash late", after_tokens=3),
        ScriptedFault(action="freeze", instruction_contains="freeze", after_tokens=3),
        ScriptedFault(action="hang", instruction_contains="hang"),
        ScriptedFault(action="hang_stubbornly", instruction_contains="be stubborn"),
    ),
)


@pytest.fixture(scope="module")
def stack(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    entries = {spec.name: spec for spec in load_catalog(PROJECT / "deploy/models", demo_models)}
    scripted = {spec.name: spec for spec in (SLOW, FAULTY, UPGRADED)}
    log_path = tmp_path_factory.mktemp("faults") / "generation.log"
    with (
        start_local(
            Catalog({LLM: entries[LLM], **scripted}),
            [LLM, *scripted],
            log_path=log_path,
            settings=IMPATIENT,
        ) as local,
        driver_of(local) as driver,
    ):
        yield Stack(local, driver, log_path)


@pytest.fixture
async def stub(stack: Stack) -> AsyncIterator[pb_grpc.GenerationServiceStub]:
    async with open_channel(stack.local.address) as channel:
        yield pb_grpc.GenerationServiceStub(channel)


@pytest.fixture
async def untouched(
    stack: Stack, stub: pb_grpc.GenerationServiceStub
) -> AsyncIterator[aio.UnaryStreamCall[pb.StreamExplanationRequest, pb.StreamExplanationResponse]]:
    """A stream of another model, which notices nothing of what a test does."""
    call = stub.StreamExplanation(streamed(SLOW.name))
    assert (await call.read()).text_delta
    yield call
    assert not call.done()
    call.cancel()
    await stack.driver.until_idle(SLOW.name, within_s=5)


async def test_a_thousand_random_cancels_and_deadlines_leave_nothing_behind(
    stack: Stack,
) -> None:
    moments = random.Random(0)
    together = asyncio.Semaphore(200)

    async def abandon(stub: pb_grpc.GenerationServiceStub, index: int) -> None:
        after_s = moments.uniform(0.0, 0.5)
        deadline = after_s + 0.001 if index % 2 else None
        async with together:
            call: aio.UnaryUnaryCall | aio.UnaryStreamCall  # type: ignore[type-arg]
            if index // 2 % 2:
                call = stub.StreamExplanation(streamed(SLOW.name), timeout=deadline)
            else:
                call = stub.GenerateExplanation(whole(SLOW.name), timeout=deadline)
            if deadline is None:
                asyncio.get_running_loop().call_later(after_s, call.cancel)
            code = await call.code()
        assert code is (StatusCode.DEADLINE_EXCEEDED if deadline else StatusCode.CANCELLED)

    async def abandon_many(count: int) -> None:
        async with (
            open_channel(stack.local.address) as one,
            open_channel(stack.local.address) as two,
        ):
            stubs = [pb_grpc.GenerationServiceStub(channel) for channel in (one, two)]
            await asyncio.gather(*(abandon(stubs[index // 4 % 2], index) for index in range(count)))
            await asyncio.sleep(1)
            assert await stack.driver.running(SLOW.name) == 0
            assert await stack.driver.calls() == 0

    def memory() -> dict[str, int]:
        processes = {"front": stack.front(), "replica": stack.replica(SLOW.name)}
        return {name: process.memory_info().rss for name, process in processes.items()}

    await abandon_many(1000)  # fills what is allocated once
    before = memory()
    await abandon_many(1000)
    after = memory()
    for name, size in after.items():
        # Kept whole, 1,000 calls of two tasks and a request each would take more.
        assert size - before[name] < 8 * 2**20
    # The front's places are free too: as many calls as the replica takes all get to it at once.
    async with open_channel(stack.local.address) as channel:
        stub = pb_grpc.GenerationServiceStub(channel)
        most = SLOW.scaling.max_ongoing_requests
        calls = [stub.StreamExplanation(streamed(SLOW.name), timeout=30) for _ in range(most)]
        for call in calls:
            assert (await call.read()).text_delta
        for call in calls:
            call.cancel()
    await stack.driver.until_idle(SLOW.name, within_s=5)


async def test_a_client_that_vanishes_without_a_word_frees_its_places(stack: Stack) -> None:
    with proxy_to(stack.local.address) as (address, proxy):
        async with open_channel(address) as channel:
            stub = pb_grpc.GenerationServiceStub(channel)
            calls = [
                stub.StreamExplanation(streamed(SLOW.name)),
                stub.GenerateExplanation(whole(SLOW.name)),
            ]
            assert (await calls[0].read()).text_delta
            await asyncio.sleep(3)
            # Silence alone, thrice as long as it takes to be asked, ends nothing.
            assert await stack.driver.running(SLOW.name) == 2
            with silenced(proxy):
                await stack.driver.until_idle(SLOW.name, within_s=10)
                assert await stack.driver.calls() == 0


async def test_a_killed_front_is_told_as_unavailable_and_leaves_nothing_running(
    stack: Stack, stub: pb_grpc.GenerationServiceStub
) -> None:
    front = stack.front()
    calls = [
        stub.StreamExplanation(streamed(SLOW.name)),
        stub.StreamExplanation(streamed(LLM, max_tokens=400)),
        stub.GenerateExplanation(whole(SLOW.name)),
    ]
    assert (await calls[0].read()).text_delta
    while await stack.driver.running(SLOW.name) < 2:  # noqa: ASYNC110 - another process is asked
        await asyncio.sleep(0.05)

    front.kill()

    failures = [await failure_of(call) for call in calls]
    assert {failure.code() for failure in failures} == {StatusCode.UNAVAILABLE}
    await stack.driver.until_idle(SLOW.name, within_s=5)
    await stack.driver.until_idle(LLM, within_s=5)
    # The same channel reaches the front that Serve starts in its place.
    assert (await answered_again(stub, LLM)).text
    assert stack.front().pid != front.pid


@pytest.mark.parametrize(
    ("instruction", "kind"),
    [
        ("Please crash at once.", EngineUnavailableError),
        ("Please crash late.", GenerationAbortedError),
    ],
)
@pytest.mark.usefixtures("untouched")
async def test_a_replica_that_crashes_is_told_honestly_and_replaced(
    stack: Stack,
    stub: pb_grpc.GenerationServiceStub,
    instruction: str,
    kind: type[Exception],
) -> None:
    replica = stack.replica(FAULTY.name)
    failure = await failure_of(stub.StreamExplanation(streamed(FAULTY.name, instruction)))
    assert isinstance(error_of(failure), kind)
    assert (await answered_again(stub, FAULTY.name)).text
    assert not replica.is_running()


@pytest.mark.usefixtures("untouched")
async def test_a_replica_whose_event_loop_stands_still_ends_itself_and_says_where(
    stack: Stack, stub: pb_grpc.GenerationServiceStub
) -> None:
    replica = stack.replica(FAULTY.name)
    frozen = asyncio.ensure_future(
        failure_of(stub.StreamExplanation(streamed(FAULTY.name, "Please freeze.")))
    )
    await until_ended(replica, within_s=STANDSTILL_S + 5)
    assert isinstance(error_of(await frozen), GenerationAbortedError)
    assert (await answered_again(stub, FAULTY.name)).text
    # The stack of what stood still, for whoever has to find out why.
    assert "scripted_faults.py" in stack.log_path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("untouched")
async def test_a_replica_that_stands_still_as_a_whole_is_replaced(
    stack: Stack, stub: pb_grpc.GenerationServiceStub
) -> None:
    replica = stack.replica(FAULTY.name)
    call = stub.StreamExplanation(streamed(FAULTY.name, max_tokens=400))
    assert (await call.read()).text_delta
    with silenced(replica):
        assert isinstance(error_of(await failure_of(call)), GenerationAbortedError)
        assert (await answered_again(stub, FAULTY.name)).text
        assert stack.replica(FAULTY.name).pid != replica.pid


@pytest.mark.usefixtures("untouched")
async def test_an_engine_that_hangs_is_told_as_such_and_replaced(
    stack: Stack, stub: pb_grpc.GenerationServiceStub
) -> None:
    replica = stack.replica(FAULTY.name)
    # Neither sets a deadline: only the model's stall_s ends them.
    hanging = [
        stub.StreamExplanation(streamed(FAULTY.name, "Please hang.")),
        stub.GenerateExplanation(whole(FAULTY.name, "Please hang.")),
    ]
    for call in hanging:
        error = error_of(await failure_of(call))
        assert isinstance(error, EngineUnavailableError)
        assert "produced nothing for 3 s" in error.message
    await until_ended(replica)
    assert (await answered_again(stub, FAULTY.name)).text


@pytest.mark.usefixtures("untouched")
async def test_an_engine_that_does_not_let_go_is_replaced_once_others_are_done(
    stack: Stack, stub: pb_grpc.GenerationServiceStub
) -> None:
    replica = stack.replica(FAULTY.name)
    # 120 words take six seconds.
    lively = stub.StreamExplanation(streamed(FAULTY.name, max_tokens=120))
    assert (await lively.read()).text_delta
    late = await failure_of(
        stub.GenerateExplanation(whole(FAULTY.name, "Please be stubborn."), timeout=0.5)
    )
    assert isinstance(error_of(late), DeadlineExceededError)
    last = None
    while (event := await lively.read()) is not aio.EOF:
        last = event
    assert last is not None
    assert last.completion.usage.generated_token_count == 120
    await until_ended(replica)
    assert (await answered_again(stub, FAULTY.name)).text


async def test_a_model_that_cannot_be_loaded_says_why_and_harms_no_other(
    stack: Stack,
    stub: pb_grpc.GenerationServiceStub,
) -> None:
    await stack.driver.deploy(with_script(UPGRADED, load_error="the weights are gone"))
    model = await state_of(stub, UPGRADED.name, pb.MODEL_STATE_FAILED)
    assert model.state_reason == "the weights are gone"
    failure = await failure_of(stub.GenerateExplanation(whole(UPGRADED.name)))
    assert failure.code() is StatusCode.UNAVAILABLE
    assert isinstance(error_of(failure), ModelFailedError)
    assert "the weights are gone" in error_of(failure).message
    for other in (LLM, FAULTY.name):
        answer = await stub.GenerateExplanation(whole(other, max_tokens=1), timeout=TIMEOUT_S)
        assert answer.text

    await stack.driver.deploy(UPGRADED)
    await state_of(stub, UPGRADED.name, pb.MODEL_STATE_READY)
    assert (await answered_again(stub, UPGRADED.name)).text


@pytest.mark.usefixtures("untouched")
async def test_a_killed_engine_core_is_told_honestly_and_replaced(
    stack: Stack, stub: pb_grpc.GenerationServiceStub
) -> None:
    replica, core = stack.replica(LLM), engine_core_of(stack)
    # At least 400, or the model might be done before it is killed.
    long = streamed(LLM, max_tokens=400, min_tokens=400)
    started = stub.StreamExplanation(long, timeout=TIMEOUT_S)
    assert (await started.read()).text_delta

    core.kill()

    assert isinstance(error_of(await failure_of(started)), GenerationAbortedError)
    assert (await answered_again(stub, LLM)).text
    assert not replica.is_running()
    assert engine_core_of(stack).pid != core.pid


@pytest.mark.usefixtures("untouched")
async def test_a_killed_replica_of_vllm_leaves_no_engine_core_behind(
    stack: Stack, stub: pb_grpc.GenerationServiceStub
) -> None:
    replica, core = stack.replica(LLM), engine_core_of(stack)
    # At least 400, or the model might be done before it is killed.
    long = streamed(LLM, max_tokens=400, min_tokens=400)
    started = stub.StreamExplanation(long, timeout=TIMEOUT_S)
    assert (await started.read()).text_delta

    replica.kill()

    assert isinstance(error_of(await failure_of(started)), GenerationAbortedError)
    # On a GPU it would hold the memory that the next replica needs.
    await until_ended(core, within_s=10)
    assert (await answered_again(stub, LLM)).text


def engine_core_of(stack: Stack) -> psutil.Process:
    (core,) = (
        child
        for child in stack.replica(LLM).children(recursive=True)
        if "EngineCore" in " ".join(child.cmdline())
    )
    return core
