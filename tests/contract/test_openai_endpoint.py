"""The openai engine against a real HTTP server that plays an endpoint, well and badly."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import structlog

from services.core.errors import (
    EngineUnavailableError,
    GenerationAbortedError,
    InvalidRequestError,
    ModelFailedError,
    OverloadedError,
    PromptTooLongError,
    ServiceError,
    UnsupportedParameterError,
)
from services.generation.catalog import ModelSpec, OpenAISpec
from services.generation.domain import EngineRequest, EngineResult, FinishReason, TokenUsage
from services.generation.engine import Engine
from services.generation.engines import build_engine, openai
from services.generation.runner import ModelRunner
from tests.contract.scripted_endpoint import (
    MODEL,
    SNAPSHOT,
    Exchange,
    Play,
    ScriptedEndpoint,
    complete,
    refuse,
    scripted_endpoint,
)
from tests.unit.generation.builders import engine_request, until

KEY = "sk-very-secret-0123456789"
ANSWER = "A red circle on white"


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with scripted_endpoint() as running:
        yield running


def spec_for(endpoint: ScriptedEndpoint, **settings: object) -> ModelSpec:
    values = {"base_url": endpoint.base_url, "model": MODEL, **settings}
    return ModelSpec(
        name="closed", engine="openai", max_model_len=1000, openai=OpenAISpec.model_validate(values)
    )


@asynccontextmanager
async def started(endpoint: ScriptedEndpoint, **settings: object) -> AsyncIterator[Engine]:
    """Starts an engine and forgets what starting asked the endpoint."""
    plays, endpoint.plays = endpoint.plays, []
    engine = build_engine(spec_for(endpoint, **settings))
    await engine.start()
    endpoint.plays = plays
    endpoint.asked.clear()
    endpoint.gets.clear()
    endpoint.most_in_flight = 0
    try:
        yield engine
    finally:
        engine.stop()
        await asyncio.sleep(0.01)


async def ask(engine: Engine, request: EngineRequest | None = None) -> tuple[str, EngineResult]:
    pieces = [piece async for piece in engine.generate(request or engine_request())]
    result = pieces.pop()
    assert isinstance(result, EngineResult)
    return "".join(str(piece) for piece in pieces), result


async def refused(engine: Engine, request: EngineRequest | None = None) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await ask(engine, request)
    assert engine.running_count() == 0
    return caught.value


# --- an answer as it should be


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


# --- the key, and whom it is shown to


async def test_the_key_goes_with_every_request_and_a_new_one_from_the_next_on(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    async with started(endpoint, api_key_file=str(file)) as engine:
        await ask(engine)
        file.write_text("sk-new")
        await ask(engine)
    sent = [exchange.headers["authorization"] for exchange in endpoint.asked]
    assert sent == [f"Bearer {KEY}", "Bearer sk-new"]


async def test_without_a_key_file_no_key_is_sent(endpoint: ScriptedEndpoint) -> None:
    async with started(endpoint) as engine:
        await ask(engine)
    assert "authorization" not in endpoint.asked[0].headers


async def test_a_key_file_that_went_away_fails_requests_with_its_path(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    async with started(endpoint, api_key_file=str(file)) as engine:
        file.unlink()
        error = await refused(engine)
    assert isinstance(error, ModelFailedError)
    assert str(file) in error.message
    assert endpoint.asked == []


async def test_a_key_that_is_refused_is_named_by_its_file_and_never_shown(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    endpoint.plays = [refuse(401, f"Incorrect API key provided: {KEY[:6]}****{KEY[-4:]}.")]
    async with started(endpoint, api_key_file=str(file)) as engine:
        error = await refused(engine)
    assert isinstance(error, ModelFailedError)
    assert str(file) in error.message
    assert KEY[:6] not in error.message
    assert KEY[-4:] not in error.message


async def test_an_endpoint_that_wants_a_key_and_got_none_is_told_so(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.plays = [refuse(401)]
    async with started(endpoint) as engine:
        error = await refused(engine)
    assert isinstance(error, ModelFailedError)
    assert "with no key (set api_key_file), which it does not accept" in error.message


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_key_that_the_endpoint_echoes_is_taken_out(
    endpoint: ScriptedEndpoint, tmp_path: Path, status: int
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    endpoint.plays = [refuse(status, f"not with {KEY}, please")]
    async with started(endpoint, api_key_file=str(file)) as engine:
        error = await refused(engine)
    assert "not with [key], please" in error.message
    assert KEY not in repr(error)


async def test_the_key_is_in_no_log(
    endpoint: ScriptedEndpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    caplog.set_level(logging.DEBUG)
    endpoint.plays = [refuse(429, f"slow down, {KEY}", retry_after="0.01"), refuse(500, KEY)]
    with structlog.testing.capture_logs() as events:
        async with started(endpoint, api_key_file=str(file)) as engine:
            await refused(engine)
    assert events
    assert KEY not in caplog.text + repr(events)


async def test_redirects_are_not_followed(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    async with scripted_endpoint() as other:
        endpoint.plays = [refuse(307, location=f"{other.base_url}/chat/completions")]
        async with started(endpoint, api_key_file=str(file)) as engine:
            error = await refused(engine)
        assert other.asked == []
    assert isinstance(error, ModelFailedError)
    assert "redirect" in error.message
    assert "base_url" in error.message


# --- refusals and trouble


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


# --- time


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


# --- rate limits


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


# --- the start


async def test_an_endpoint_that_is_down_is_a_failed_model_that_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openai, "_START_TIMEOUT_S", 0.2)
    async with scripted_endpoint() as gone:
        spec = spec_for(gone)
    with pytest.raises(ModelFailedError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        await build_engine(spec).start()


async def test_an_endpoint_that_comes_up_late_is_waited_for(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "_START_INTERVAL_S", 0.01)
    troubles = [refuse(503, "loading"), refuse(502)]
    fine = endpoint.models

    async def models(exchange: Exchange) -> None:
        await (troubles.pop() if troubles else fine)(exchange)

    monkeypatch.setattr(endpoint, "models", models)
    engine = build_engine(spec_for(endpoint))
    await engine.start()
    engine.stop()
    assert len(endpoint.gets) == 3


async def test_an_endpoint_that_never_answers_is_a_failed_model(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "_START_TIMEOUT_S", 0.2)
    monkeypatch.setattr(endpoint, "models", never_answer)
    with pytest.raises(ModelFailedError, match=r"did not answer within 0\.2 s"):
        await build_engine(spec_for(endpoint)).start()


async def test_an_endpoint_without_a_list_of_models_is_asked_all_the_same(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "models", refuse(404))
    engine = build_engine(spec_for(endpoint))
    await engine.start()
    assert engine.revision == SNAPSHOT
    engine.stop()


@pytest.mark.parametrize("status", [401, 404])
async def test_a_start_fails_if_the_first_question_shows_a_wrong_entry(
    endpoint: ScriptedEndpoint, status: int
) -> None:
    endpoint.plays = [refuse(status, "no")]
    with pytest.raises(ModelFailedError, match=str(status)):
        await build_engine(spec_for(endpoint)).start()


async def test_a_start_goes_on_if_the_first_question_meets_passing_trouble(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.plays = [refuse(500, "oops")]
    engine = build_engine(spec_for(endpoint))
    await engine.start()
    await engine.check_health()
    assert engine.revision == MODEL
    engine.stop()


async def vllm_models(exchange: Exchange) -> None:
    if exchange.path == "/version":
        await exchange.answer(200, {"version": "0.32.0"})
        return
    await exchange.answer(200, {"data": [{"id": MODEL, "max_model_len": 1000}, {"id": "other"}]})


async def test_a_vllm_server_is_asked_for_its_version_and_no_question(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "models", vllm_models)
    engine = build_engine(spec_for(endpoint, dialect="vllm"))
    await engine.start()
    engine.stop()
    assert (engine.version, engine.revision) == ("vllm 0.32.0", MODEL)
    assert [exchange.path for exchange in endpoint.gets] == ["/v1/models", "/version"]
    assert endpoint.asked == []


async def test_a_vllm_server_without_the_model_or_with_a_shorter_context_fails_the_start(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "models", vllm_models)
    with pytest.raises(ModelFailedError, match=f"no model 'typo'; it serves {MODEL}, other"):
        await build_engine(spec_for(endpoint, dialect="vllm", model="typo")).start()
    longer = spec_for(endpoint, dialect="vllm").model_copy(update={"max_model_len": 1001})
    with pytest.raises(ModelFailedError, match=r"is 1001 in the catalog, but .* holds 1000"):
        await build_engine(longer).start()


async def test_a_start_fails_on_defaults_that_the_endpoint_cannot_honour(
    endpoint: ScriptedEndpoint,
) -> None:
    # The entry's default temperature is 0, and the endpoint takes only its own.
    with pytest.raises(ModelFailedError, match=r"sampling\.temperature is not supported"):
        await build_engine(spec_for(endpoint, refuses=["temperature"])).start()


@pytest.mark.parametrize("base_url", ["http://user:pw@127.0.0.1/v1"])
async def test_an_address_with_a_password_is_refused_without_showing_it(base_url: str) -> None:
    endpoint = ScriptedEndpoint(base_url)
    with pytest.raises(ModelFailedError) as caught:
        await build_engine(spec_for(endpoint)).start()
    assert "pw" not in caught.value.message
    assert "api_key_file" in caught.value.message


async def test_a_stopped_engine_is_unavailable(endpoint: ScriptedEndpoint) -> None:
    async with started(endpoint) as engine:
        engine.stop()
        assert type(await refused(engine)) is EngineUnavailableError
        with pytest.raises(EngineUnavailableError):
            await engine.check_health()
