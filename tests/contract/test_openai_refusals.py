"""What the openai engine makes of refusals and of an endpoint in trouble."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.core.errors import (
    EngineUnavailableError,
    GenerationAbortedError,
    InvalidRequestError,
    ModelFailedError,
    PromptTooLongError,
    ServiceError,
    UnsupportedParameterError,
)
from services.generation.domain import EngineRequest
from services.generation.engines import build_engine
from services.generation.runner import ModelRunner
from tests.contract.openai_engine import ANSWER, ask, refused, spec_for, started
from tests.contract.scripted_endpoint import (
    MODEL,
    Exchange,
    Play,
    ScriptedEndpoint,
    refuse,
    scripted_endpoint,
)
from tests.unit.generation.builders import engine_request


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with scripted_endpoint() as running:
        yield running


@pytest.mark.parametrize(
    ("play", "kind", "message"),
    [
        (refuse(400, "temperature is\ntoo hot"), InvalidRequestError, "temperature is too hot"),
        (refuse(422, "no such field"), InvalidRequestError, "no such field"),
        (refuse(413), InvalidRequestError, "HTTP status 413 without an explanation"),
        (
            refuse(400, "too long", code="context_length_exceeded"),
            PromptTooLongError,
            "too long",
        ),
        (
            refuse(400, "This model's maximum context length is 512 tokens."),
            PromptTooLongError,
            "512 tokens",
        ),
        (refuse(403, "not in your country"), ModelFailedError, "not in your country"),
        (refuse(404, "no such model"), ModelFailedError, f"{MODEL!r}: no such model"),
        (
            refuse(429, "pay first", code="insufficient_quota"),
            ModelFailedError,
            "pay first",
        ),
        (refuse(500, "oops"), EngineUnavailableError, "oops"),
        (refuse(503, "no server"), EngineUnavailableError, "no server"),
        (refuse(408), EngineUnavailableError, "408"),
    ],
)
async def test_a_refusal_becomes_the_services_own_error(
    endpoint: ScriptedEndpoint, play: Play, kind: type[ServiceError], message: str
) -> None:
    endpoint.plays = [play]
    async with started(endpoint) as engine:
        error = await refused(engine)
    assert type(error) is kind
    assert message in error.message
    assert "\n" not in error.message
    assert len(endpoint.asked) == 1


async def test_a_refusal_is_cut_to_size_and_a_page_of_html_is_not_quoted(
    endpoint: ScriptedEndpoint,
) -> None:
    async def page(exchange: Exchange) -> None:
        await exchange.answer(502, "<html>" + "x" * 1_000_000)

    endpoint.plays = [refuse(400, "long " * 10_000), page]
    async with started(endpoint) as engine:
        long, html = await refused(engine), await refused(engine)
    assert len(long.message) < 400
    assert "HTTP status 502 without an explanation" in html.message


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def garbage(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.event("this is no JSON")


async def wrong_shape(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.event({"choices": "many"})


async def no_stream(exchange: Exchange) -> None:
    await exchange.answer(200, {"choices": [{"message": {"content": "whole"}}]})


async def no_http(exchange: Exchange) -> None:
    await exchange.raw(b"\x00\x01 hello\r\n\r\n")
    exchange.reset()


async def endless_line(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.raw(b"data: " + b"x" * (2 * 2**20))


async def empty(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.event("[DONE]")


async def error_event(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.event({"error": {"message": "the card burnt", "code": 500}})


@pytest.mark.parametrize(
    "play", [reset, garbage, wrong_shape, no_stream, no_http, endless_line, empty, error_event]
)
async def test_an_endpoint_in_trouble_is_unavailable(
    endpoint: ScriptedEndpoint, play: Play
) -> None:
    endpoint.plays = [play]
    async with started(endpoint) as engine:
        assert type(await refused(engine)) is EngineUnavailableError
        # And the engine goes on.
        assert (await ask(engine))[0] == ANSWER


async def reset_later(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.text("A red")
    await asyncio.sleep(0.05)
    exchange.reset()


async def end_early(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.text("A red")


async def abort(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.text("A red")
    await exchange.text("", "abort")


@pytest.mark.parametrize("play", [reset_later, end_early, abort])
async def test_an_answer_that_breaks_off_is_aborted(endpoint: ScriptedEndpoint, play: Play) -> None:
    spec = spec_for(endpoint)
    runner = ModelRunner(spec, build_engine(spec), delta_interval_s=0)
    await runner.start()
    endpoint.plays = [play]
    with pytest.raises(GenerationAbortedError):
        await runner.explain(engine_request(), None)
    runner.stop()


@pytest.mark.parametrize("text", ["", "half a"])
async def test_what_a_content_filter_withholds_is_a_request_that_cannot_succeed(
    endpoint: ScriptedEndpoint, text: str
) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.text(text)
        await exchange.text("", "content_filter")

    endpoint.plays = [play]
    async with started(endpoint) as engine:
        error = await refused(engine)
    assert type(error) is InvalidRequestError
    assert "content filter" in error.message


async def test_sampling_that_the_endpoint_lacks_is_refused_before_it_is_asked(
    endpoint: ScriptedEndpoint,
) -> None:
    request = engine_request()
    wanted = EngineRequest(
        "r", None, "x", "", request.sampling.__class__(**_values(request), top_k=5)
    )
    async with started(endpoint) as engine:
        error = await refused(engine, wanted)
    assert isinstance(error, UnsupportedParameterError)
    assert error.violations[0].field == "sampling.top_k"
    assert endpoint.asked == []


def _values(request: EngineRequest) -> dict[str, object]:
    names = [name for name in request.sampling.__slots__ if name != "top_k"]
    return {name: getattr(request.sampling, name) for name in names}
