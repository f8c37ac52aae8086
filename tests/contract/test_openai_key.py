"""Whom the openai engine shows its key, and where it never appears."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from services.core.errors import (
    ModelFailedError,
)
from tests.contract.openai_engine import ask, refused, started
from tests.contract.scripted_endpoint import (
    ScriptedEndpoint,
    refuse,
    scripted_endpoint,
)

KEY = "sk-very-secret-0123456789"


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with scripted_endpoint() as running:
        yield running


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
