"""The openai engine in front of a scripted endpoint."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.core.errors import ServiceError
from services.generation.catalog import ModelSpec, OpenAISpec
from services.generation.domain import EngineRequest, EngineResult
from services.generation.engine import Engine
from services.generation.engines import build_engine
from tests.contract.scripted_endpoint import MODEL, ScriptedEndpoint
from tests.unit.generation.builders import engine_request

ANSWER = "A red circle on white"


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
