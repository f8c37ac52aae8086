"""What the openai engine finds out before the first request."""

from collections.abc import AsyncIterator

import pytest

from services.core.errors import (
    EngineUnavailableError,
    ModelFailedError,
)
from services.generation.engines import build_engine, openai
from tests.contract.openai_engine import refused, spec_for, started
from tests.contract.scripted_endpoint import (
    MODEL,
    SNAPSHOT,
    Exchange,
    ScriptedEndpoint,
    refuse,
    scripted_endpoint,
)


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with scripted_endpoint() as running:
        yield running


async def never_answer(exchange: Exchange) -> None:
    await exchange.wait_until_gone()


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


async def test_a_stopped_engine_is_unavailable(endpoint: ScriptedEndpoint) -> None:
    async with started(endpoint) as engine:
        engine.stop()
        assert type(await refused(engine)) is EngineUnavailableError
        with pytest.raises(EngineUnavailableError):
            await engine.check_health()
