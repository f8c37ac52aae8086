"""The typed clients in hands that make mistakes, give up, or close too early."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator

import pytest

from services.core.errors import (
    DeadlineExceededError,
    GenerationAbortedError,
    InvalidRequestError,
    UserInputError,
)
from services.rpc.generation_client import Sampling, connect, connect_async
from tests.contract.generation_clients import both_clients, told
from tests.contract.generation_front import RunningFront, generation_front
from tests.unit.generation.builders import picture, scripted_spec, until

INSTRUCTION = "Explain the composition."
# A word a minute: such a generation ends only by being cancelled.
SLOW = scripted_spec("slow", per_token_s=60)


@pytest.fixture
async def front() -> AsyncIterator[RunningFront]:
    async with generation_front(scripted_spec("a-model"), SLOW) as running:
        yield running


@both_clients
@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("sampling.max_tokens", {"sampling": Sampling(max_tokens=2**40)}),
        ("sampling.seed", {"sampling": Sampling(seed=2**70)}),
        ("sampling.top_k", {"sampling": Sampling(top_k=1.5)}),
        # Letter by letter, it would end nearly every explanation at its first word.
        ("sampling.stop", {"sampling": Sampling(stop="END")}),
        ("sampling.stop", {"sampling": Sampling(stop=(1,))}),
        ("system_text", {"system_text": "half a character: \ud800"}),
        ("lane", {"lane": "sweep"}),
    ],
)
async def test_a_value_that_cannot_be_sent_is_refused_as_the_service_would(
    kind: str, field: str, options: dict[str, object]
) -> None:
    async with told(kind) as (client, servicer):
        with pytest.raises(InvalidRequestError) as caught:
            await client.explain("m", INSTRUCTION, **options)
        assert [each.field for each in caught.value.violations] == [field]
        assert servicer.requests == []


@both_clients
@pytest.mark.parametrize("image", ["painting.jpg", bytearray(b"painting")])
async def test_what_is_no_picture_is_told_what_is(kind: str, image: object) -> None:
    async with told(kind) as (client, servicer):
        with pytest.raises(UserInputError, match=r"give Path\(name\)"):
            await client.explain("m", INSTRUCTION, image)
        assert servicer.requests == []


@both_clients
@pytest.mark.parametrize("timeout_s", [math.inf, 1e300])
async def test_a_wait_without_end_is_no_wait_of_no_time(kind: str, timeout_s: float) -> None:
    async with told(kind) as (client, _):
        assert (await client.explain("m", INSTRUCTION, timeout_s=timeout_s)).text == "told"


@both_clients
@pytest.mark.parametrize("timeout_s", [math.nan, None])
async def test_a_time_that_is_none_is_refused(kind: str, timeout_s: object) -> None:
    async with told(kind) as (client, servicer):
        with pytest.raises(UserInputError, match="timeout_s must be a number of seconds"):
            await client.explain("m", INSTRUCTION, timeout_s=timeout_s)
        assert servicer.requests == []


@both_clients
async def test_the_time_is_that_of_all_attempts(kind: str) -> None:
    lost = [GenerationAbortedError("lost") for _ in range(10)]
    async with told(kind, *lost) as (client, servicer):
        # The pause before the third attempt is at least 0.8 s, and so is not waited for: the
        # service config has pauses of 0.5 s and 1 s, each a fifth more or less.
        with pytest.raises((DeadlineExceededError, GenerationAbortedError)):
            await client.explain("m", INSTRUCTION, timeout_s=0.7)
        assert len(servicer.requests) <= 2


async def test_a_task_that_is_cancelled_frees_the_engine(front: RunningFront) -> None:
    engine = front.runners["slow"]
    async with connect_async(front.address) as client:

        async def read() -> None:
            async for _ in client.stream("slow", INSTRUCTION):
                pass

        for work in (client.explain("slow", INSTRUCTION), read()):
            task = asyncio.ensure_future(work)
            await until(lambda: engine.running_count() == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: engine.running_count() == 0)
        # An end of one's own is no failure of the service.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.explain("slow", INSTRUCTION)
        await until(lambda: engine.running_count() == 0)


async def test_closing_ends_calls_in_flight_with_an_error_of_ours(front: RunningFront) -> None:
    engine = front.runners["slow"]
    client = connect_async(front.address)

    async def read() -> None:
        async for _ in client.stream("slow", INSTRUCTION):
            pass

    calls = asyncio.gather(
        client.explain("slow", INSTRUCTION, picture().data), read(), return_exceptions=True
    )
    await until(lambda: engine.running_count() == 2)
    await client.close()
    # Not as CancelledError, which would look as if somebody had cancelled these tasks.
    assert [type(error) for error in await calls] == [GenerationAbortedError] * 2
    await until(lambda: engine.running_count() == 0)


async def test_closing_in_another_thread_ends_calls_in_flight(front: RunningFront) -> None:
    engine = front.runners["slow"]
    client = connect(front.address)
    call = asyncio.create_task(asyncio.to_thread(client.explain, "slow", INSTRUCTION))
    await until(lambda: engine.running_count() == 1)
    threading.Thread(target=client.close).start()
    with pytest.raises(GenerationAbortedError):
        await call
    await until(lambda: engine.running_count() == 0)
