"""How the openai engine keeps to an endpoint's rate limits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import structlog

from services.core.errors import (
    OverloadedError,
)
from services.generation.domain import EngineRequest
from services.generation.engines import openai
from tests.contract.openai_engine import ANSWER, ask, refused, started
from tests.contract.scripted_endpoint import (
    Exchange,
    ScriptedEndpoint,
    complete,
    refuse,
    scripted_endpoint,
)
from tests.unit.generation.builders import engine_request, until


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with scripted_endpoint() as running:
        yield running


async def never_answer(exchange: Exchange) -> None:
    await exchange.wait_until_gone()


def in_half_a_second() -> str:
    # Dates have whole seconds: this is between 0 and 1 s ahead.
    return format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "0"},
        {"retry_after": "0.05"},
        {"retry_after_ms": "50", "retry_after": "3000"},
        {"retry_after": in_half_a_second},
    ],
)
@pytest.mark.parametrize("status", [429, 503, 529])
async def test_a_short_wait_that_the_endpoint_asks_for_is_waited(
    endpoint: ScriptedEndpoint, status: int, headers: dict[str, str | Callable[[], str]]
) -> None:
    async def play(exchange: Exchange) -> None:
        values = {name: value() if callable(value) else value for name, value in headers.items()}
        await refuse(status, "slow down", **values)(exchange)

    endpoint.plays = [play, play]
    async with started(endpoint) as engine:
        text, _ = await ask(engine)
    assert text == ANSWER
    assert len(endpoint.asked) == 3


async def test_a_wait_that_the_caller_cannot_wait_is_told_at_once(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.plays = [refuse(429, "slow down", retry_after="20")]
    async with started(endpoint) as engine:
        request = EngineRequest("r", None, "x", "", engine_request().sampling, timeout_s=19.0)
        error = await refused(engine, request)
    assert isinstance(error, OverloadedError)
    assert 19 < error.retry_after_s <= 20
    assert len(endpoint.asked) == 1


async def test_a_long_wait_is_told_at_once_and_to_everybody(endpoint: ScriptedEndpoint) -> None:
    endpoint.plays = [refuse(429, "come back tomorrow", retry_after="900")]
    async with started(endpoint) as engine:
        for _ in range(3):
            error = await refused(engine)
            assert isinstance(error, OverloadedError)
            assert 890 < error.retry_after_s <= 900
    # The endpoint was left alone.
    assert len(endpoint.asked) == 1


async def test_all_requests_of_the_model_pause_together(endpoint: ScriptedEndpoint) -> None:
    moments: list[float] = []

    async def count(exchange: Exchange) -> None:
        moments.append(asyncio.get_running_loop().time())
        await complete(exchange)

    endpoint.plays = [refuse(429, "slow down", retry_after="0.5"), *[count] * 6]
    async with started(endpoint) as engine:
        first = asyncio.create_task(ask(engine))
        await until(lambda: len(endpoint.asked) == 1)
        await asyncio.sleep(0.05)
        paused = asyncio.get_running_loop().time()
        answers = await asyncio.gather(first, *(ask(engine) for _ in range(5)))
    assert [text for text, _ in answers] == [ANSWER] * 6
    # 0.5 s after a refusal that came at most 0.05 s before; none of the others was sent earlier.
    assert all(moment - paused > 0.4 for moment in moments)


async def test_an_endpoint_that_keeps_refusing_is_left_alone_in_the_end(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.plays = [refuse(429, "slow down", retry_after="0")] * 20
    async with started(endpoint) as engine:
        error = await refused(engine)
    assert isinstance(error, OverloadedError)
    assert error.retry_after_s > 0
    assert len(endpoint.asked) == 6


async def test_refusals_without_a_delay_are_followed_by_longer_and_longer_pauses(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "_FIRST_PAUSE_S", 0.02)
    endpoint.plays = [refuse(429, "slow down")] * 3
    with structlog.testing.capture_logs() as events:
        async with started(endpoint) as engine:
            assert (await ask(engine))[0] == ANSWER
    pauses = [event["duration_s"] for event in events if event["event"] == "endpoint_paused"]
    assert pauses == [0.02, 0.04, 0.08]


async def test_a_used_up_limit_pauses_the_next_request_before_it_is_refused(
    endpoint: ScriptedEndpoint,
) -> None:
    async def last(exchange: Exchange) -> None:
        await exchange.begin(
            x_ratelimit_limit_requests="10",
            x_ratelimit_remaining_requests="0",
            x_ratelimit_reset_requests="5s",
        )
        await exchange.text("done", "stop")

    endpoint.plays = [last]
    with structlog.testing.capture_logs() as events:
        async with started(endpoint) as engine:
            await ask(engine)
            loop = asyncio.get_running_loop()
            asked = loop.time()
            await ask(engine)
            waited = loop.time() - asked
    # Ten come back within 5 s, so one within 0.5 s.
    pauses = [event["duration_s"] for event in events if event["event"] == "endpoint_paused"]
    assert pauses == [0.5]
    assert waited > 0.3


async def test_no_more_requests_are_in_flight_than_the_entry_says(
    endpoint: ScriptedEndpoint,
) -> None:
    may_end = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await may_end.wait()
        await complete(exchange)

    endpoint.plays = [play] * 7
    async with started(endpoint, max_concurrent_requests=3) as engine:
        tasks = [asyncio.create_task(ask(engine)) for _ in range(7)]
        await until(lambda: endpoint.in_flight == 3)
        await asyncio.sleep(0.1)  # a fourth would come now
        assert len(endpoint.asked) == 3
        assert engine.running_count() == 7
        may_end.set()
        await asyncio.gather(*tasks)
    assert endpoint.most_in_flight == 3


async def test_who_gets_no_place_in_time_is_told_to_come_again(endpoint: ScriptedEndpoint) -> None:
    endpoint.plays = [never_answer]
    async with started(endpoint, max_concurrent_requests=1) as engine:
        task = asyncio.create_task(ask(engine))
        await until(lambda: endpoint.in_flight == 1)
        request = EngineRequest("r", None, "x", "", engine_request().sampling, timeout_s=0.1)
        with pytest.raises(OverloadedError):
            await ask(engine, request)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
