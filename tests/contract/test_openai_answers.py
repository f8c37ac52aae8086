"""What the openai engine makes of an endpoint's answers, whole and broken off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.core.errors import (
    EngineUnavailableError,
)
from services.generation.domain import EngineResult, FinishReason, TokenUsage
from services.generation.engines import build_engine
from services.generation.runner import ModelRunner
from tests.contract.openai_engine import ANSWER, ask, refused, spec_for, started
from tests.contract.scripted_endpoint import (
    SNAPSHOT,
    Exchange,
    Play,
    ScriptedEndpoint,
    scripted_endpoint,
)
from tests.unit.generation.builders import engine_request, until


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with scripted_endpoint() as running:
        yield running


async def test_an_answer_comes_in_pieces_with_usage_and_what_the_endpoint_ran(
    endpoint: ScriptedEndpoint,
) -> None:
    async with started(endpoint) as engine:
        pieces = [piece async for piece in engine.generate(engine_request())]
    assert pieces[:-1] == ["A red", " circle", " on white"]
    result = pieces[-1]
    assert isinstance(result, EngineResult)
    assert result.finish_reason is FinishReason.STOP
    # Endpoints do not count an image's tokens apart.
    assert result.usage == TokenUsage(11, 0, 5)
    assert result.sampling == engine_request().sampling
    assert (result.revision, result.engine_version) == (SNAPSHOT, "fp_1")


async def test_text_is_passed_on_before_the_answer_has_ended(endpoint: ScriptedEndpoint) -> None:
    may_end = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.text("first")
        await may_end.wait()
        await exchange.text("", "length")

    endpoint.plays = [play]
    async with started(endpoint) as engine, aclosing(engine.generate(engine_request())) as pieces:
        assert await anext(pieces) == "first"
        may_end.set()
        result = await anext(pieces)
    assert isinstance(result, EngineResult)
    assert result.finish_reason is FinishReason.LENGTH


async def test_the_provenance_names_what_the_endpoint_says_it_ran(
    endpoint: ScriptedEndpoint,
) -> None:
    spec = spec_for(endpoint)
    runner = ModelRunner(spec, build_engine(spec), delta_interval_s=0)
    await runner.start()
    # A sweep compares the two: the alias was resolved by the question at the start.
    assert runner.revision == SNAPSHOT
    explanation = await runner.explain(engine_request(), None)
    runner.stop()
    origin = explanation.completion.provenance
    assert explanation.text == ANSWER
    assert (origin.engine, origin.revision, origin.engine_version) == ("openai", SNAPSHOT, "fp_1")
    assert (origin.dtype, origin.quantization) == ("", "")


async def test_an_answer_without_usage_or_end_mark_has_counts_of_zero(
    endpoint: ScriptedEndpoint,
) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.text("all of it", "stop")

    endpoint.plays = [play]
    async with started(endpoint) as engine:
        text, result = await ask(engine)
    assert (text, result.usage) == ("all of it", TokenUsage(0, 0, 0))


async def test_a_connection_that_breaks_after_the_last_text_loses_only_the_counts(
    endpoint: ScriptedEndpoint,
) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        await exchange.raw(b"content-length: 100000\r\n\r\n")
        await exchange.text("all of it", "stop")

    endpoint.plays = [play]
    async with started(endpoint) as engine:
        text, result = await ask(engine)
    assert (text, result.usage) == ("all of it", TokenUsage(0, 0, 0))


async def test_comments_unknown_fields_and_other_choices_are_passed_over(
    endpoint: ScriptedEndpoint,
) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.raw(b": still busy\n\n")
        await exchange.event({"choices": [], "prompt_filter_results": [{"a": 1}]})
        await exchange.event({"choices": [{"index": 1, "delta": {"content": "another"}}]})
        await exchange.event({"choices": [{"delta": {"role": "assistant", "reasoning": "hm"}}]})
        await complete_rest(exchange)

    async def complete_rest(exchange: Exchange) -> None:
        await exchange.text("mine")
        await exchange.text("", "stop")
        await exchange.event("[DONE]")

    endpoint.plays = [play]
    async with started(endpoint) as engine:
        text, _ = await ask(engine)
    assert text == "mine"


async def test_a_models_own_refusal_is_its_answer(endpoint: ScriptedEndpoint) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.begin()
        choice = {"delta": {"refusal": "I cannot say."}, "finish_reason": "stop"}
        await exchange.event({"choices": [choice]})

    endpoint.plays = [play]
    async with started(endpoint) as engine:
        assert (await ask(engine))[0] == "I cannot say."


async def stall(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.wait_until_gone()


async def never_answer(exchange: Exchange) -> None:
    await exchange.wait_until_gone()


@pytest.mark.parametrize("play", [stall, never_answer])
async def test_a_silent_endpoint_is_given_up_after_the_models_own_time(
    endpoint: ScriptedEndpoint, play: Play
) -> None:
    endpoint.plays = [play]
    async with started(endpoint, request_timeout_s=0.2) as engine:
        error = await refused(engine)
        assert type(error) is EngineUnavailableError
        assert "0.2 s, the model's request_timeout_s" in error.message
        await until(lambda: endpoint.in_flight == 0)
    assert endpoint.asked[0].has_gone.is_set()


@pytest.mark.parametrize("play", [stall, never_answer])
async def test_cancelling_closes_the_stream(endpoint: ScriptedEndpoint, play: Play) -> None:
    endpoint.plays = [play]
    async with started(endpoint) as engine:
        task = asyncio.create_task(ask(engine))
        await until(lambda: endpoint.in_flight == 1)
        await asyncio.sleep(0.05)
        assert not endpoint.asked[0].has_gone.is_set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine.running_count() == 0
        await until(endpoint.asked[0].has_gone.is_set)


async def test_closing_the_iterator_closes_the_stream(endpoint: ScriptedEndpoint) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.text("A red")
        await exchange.wait_until_gone()

    endpoint.plays = [play]
    async with started(endpoint) as engine:
        async with aclosing(engine.generate(engine_request())) as pieces:
            assert await anext(pieces) == "A red"
            assert not endpoint.asked[0].has_gone.is_set()
        assert engine.running_count() == 0
        await until(endpoint.asked[0].has_gone.is_set)
