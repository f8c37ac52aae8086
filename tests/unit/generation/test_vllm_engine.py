"""What our vLLM engine makes of vLLM's behaviour, with a scripted renderer in vLLM's place."""

import asyncio
import warnings
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace

import pytest

from services.core.errors import (
    EngineUnavailableError,
    ImageInvalidError,
    InvalidRequestError,
    ServiceError,
)
from services.generation.domain import EngineRequest
from services.generation.engine import Engine
from tests.unit.generation.builders import engine_request, picture, scripted_spec, until

pytestmark = pytest.mark.slow


class ScriptedRenderer:
    """Counts the conversations it holds, and fails when it is released."""

    def __init__(self, error: Exception, *, released: bool = True) -> None:
        self._error = error
        self.held = 0
        self.released = asyncio.Event()
        if released:
            self.released.set()

    async def render_chat_async(self, *arguments: object) -> None:
        """Takes what vLLM's renderer takes."""
        self.held += 1
        await self.released.wait()
        self.held -= 1
        raise self._error


EngineMaker = Callable[[ScriptedRenderer], Engine]


@pytest.fixture
def engine_with() -> EngineMaker:
    # Imported here and not above: collecting tests must not wait for vLLM.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = import_module("services.generation.engines.vllm")

    def make(renderer: ScriptedRenderer) -> Engine:
        made = module.VllmEngine(scripted_spec())
        made._llm = SimpleNamespace(renderer=renderer)
        made._prompts = module.PromptRenderer(renderer, None)
        engine: Engine = made
        return engine

    return make


async def error_of(engine: Engine, request: EngineRequest) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await anext(engine.generate(request))
    return caught.value


async def test_at_most_two_pictures_are_held_decoded_at_a_time(engine_with: EngineMaker) -> None:
    renderer = ScriptedRenderer(ValueError(), released=False)
    engine = engine_with(renderer)
    request = engine_request(image=picture())
    calls = [asyncio.create_task(error_of(engine, request)) for _ in range(5)]
    await until(lambda: renderer.held == 2)
    # Requests without a picture hold no such memory and pass: the third held is this one.
    calls.append(asyncio.create_task(error_of(engine, engine_request())))
    await until(lambda: renderer.held == 3)
    await asyncio.sleep(0.2)  # the other three would come now, were they not kept waiting
    assert renderer.held == 3
    renderer.released.set()
    await asyncio.gather(*calls)


def vllm_error(name: str, message: str) -> Exception:
    module, _, kind = name.rpartition(".")
    error = getattr(import_module(module), kind)(message)
    assert isinstance(error, Exception)
    return error


SECRET = "absolute aspect ratio must be smaller than 200\nin 'Explain the composition.'"


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (engine_request(image=picture()), ImageInvalidError),
        (engine_request(), InvalidRequestError),
    ],
    ids=["with-image", "text-only"],
)
async def test_what_a_processor_refuses_is_the_callers_mistake_and_quotes_no_prompt(
    request_: EngineRequest, kind: type[ServiceError], engine_with: EngineMaker
) -> None:
    error = await error_of(engine_with(ScriptedRenderer(ValueError(SECRET))), request_)
    assert type(error) is kind
    assert "Explain" not in error.message
    assert "\n" not in error.message


async def test_a_refusal_of_vllm_is_told_in_one_line(engine_with: EngineMaker) -> None:
    renderer = ScriptedRenderer(
        vllm_error("vllm.exceptions.VLLMValidationError", "first\n  second")
    )
    error = await error_of(engine_with(renderer), engine_request())
    assert type(error) is InvalidRequestError
    assert error.message == "the model refuses the request: first second"


async def test_a_generation_that_vllm_fails_leaves_the_engine_unavailable(
    engine_with: EngineMaker,
) -> None:
    failure = vllm_error("vllm.v1.engine.exceptions.EngineGenerateError", "")
    error = await error_of(engine_with(ScriptedRenderer(failure)), engine_request())
    assert type(error) is EngineUnavailableError
