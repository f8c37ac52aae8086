"""What our vLLM engine makes of vLLM's behaviour, with a scripted renderer in vLLM's place."""

import asyncio
import warnings
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import pytest
from jinja2 import TemplateSyntaxError

from services.core.errors import (
    EngineUnavailableError,
    ImageInvalidError,
    InvalidRequestError,
    ModelFailedError,
    ModelNotFoundError,
    ServiceError,
)
from services.generation.domain import EngineRequest, Lane
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


class DroppingLLM:
    """Ends the first generation with an error, as vLLM does whose core dropped a picture."""

    def __init__(self, errors: int) -> None:
        self._errors = errors
        self.prompts: list[object] = []
        self.keywords: dict[str, object] = {}

    async def generate(
        self, prompt: object, parameters: object, request_id: str, **keywords: object
    ) -> AsyncGenerator[object]:
        self.prompts.append(prompt)
        self.keywords = keywords
        reason = "error" if len(self.prompts) <= self._errors else "length"
        piece = SimpleNamespace(token_ids=[1], text="", finish_reason=reason)
        if reason == "length":
            piece.text = "seen"
        yield SimpleNamespace(outputs=[piece], finished=True, metrics=None)


class NumberingRenderer:
    """Makes a new prompt each time, and counts the pictures that came with pixels."""

    def __init__(self) -> None:
        self.pixels: list[bool] = []

    async def render_chat_async(self, chats: list[list[dict]], *_: object) -> object:  # type: ignore[type-arg]
        (part, _text) = chats[0][-1]["content"]
        self.pixels.append(part["image_pil"] is not None)
        return None, [{"prompt_token_ids": [len(self.pixels)]}]


def engine_of(llm: DroppingLLM, renderer: NumberingRenderer) -> Engine:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = import_module("services.generation.engines.vllm")
    made = module.VllmEngine(scripted_spec())
    made._llm = llm
    made._prompts = module.PromptRenderer(renderer, None)
    engine: Engine = made
    return engine


async def test_a_picture_asked_about_again_is_not_decoded_again() -> None:
    renderer = NumberingRenderer()
    engine = engine_of(DroppingLLM(0), renderer)
    for _ in range(2):
        _ = [piece async for piece in engine.generate(engine_request(image=picture()))]
    _ = [piece async for piece in engine.generate(engine_request(image=picture("blue")))]
    assert renderer.pixels == [True, False, True]


async def test_a_picture_that_vllm_dropped_is_sent_again_once() -> None:
    renderer, llm = NumberingRenderer(), DroppingLLM(1)
    engine = engine_of(llm, renderer)
    pieces = [piece async for piece in engine.generate(engine_request(image=picture()))]
    assert pieces[0] == "seen"
    assert renderer.pixels == [True, True]
    assert llm.prompts == [{"prompt_token_ids": [1]}, {"prompt_token_ids": [2]}]


async def test_a_request_that_vllm_gives_up_twice_is_lost() -> None:
    engine = engine_of(DroppingLLM(2), NumberingRenderer())
    with pytest.raises(EngineUnavailableError, match="gave up on the request: error"):
        _ = [piece async for piece in engine.generate(engine_request(image=picture()))]


@pytest.mark.parametrize(("lane", "priority"), [(Lane.INTERACTIVE, 0), (Lane.SWEEP, 1)])
async def test_the_lane_is_the_requests_priority(lane: Lane, priority: int) -> None:
    llm = DroppingLLM(0)
    engine = engine_of(llm, NumberingRenderer())
    request = replace(engine_request(image=picture()), lane=lane)
    _ = [piece async for piece in engine.generate(request)]
    assert llm.keywords == {"lora_request": None, "priority": priority}


async def test_an_unknown_adapter_never_reaches_vllm() -> None:
    llm = DroppingLLM(0)
    request = replace(engine_request(image=picture()), adapter="none")
    with pytest.raises(ModelNotFoundError, match="model scripted has no adapter named 'none'"):
        _ = [piece async for piece in engine_of(llm, NumberingRenderer()).generate(request)]
    assert llm.prompts == []


class TemplateRenderer:
    """Renders a fixed prompt, and begins it with a token where special tokens are added."""

    def __init__(self, *, writes_start: bool) -> None:
        self._writes_start = writes_start
        self.added: list[bool] = []

    def get_tokenizer(self) -> object:
        return SimpleNamespace(bos_token_id=1)

    async def render_chat_async(self, chats: object, chat: object, tokenize: object) -> object:
        adds: bool = tokenize.add_special_tokens  # type: ignore[attr-defined]
        self.added.append(adds)
        ids = [1] * (adds + self._writes_start) + [5, 6]
        return None, [{"prompt_token_ids": ids}]


@pytest.mark.parametrize("writes_start", [True, False])
async def test_the_token_that_begins_a_text_comes_exactly_once(writes_start: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = import_module("services.generation.engines.vllm_prompt")
    renderer = TemplateRenderer(writes_start=writes_start)
    prompts = module.PromptRenderer(renderer, None)
    await prompts.prepare()
    rendered = await prompts.render(engine_request())
    assert rendered.content["prompt_token_ids"] == [1, 5, 6]


async def test_a_template_that_is_no_jinja_fails_the_model() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = import_module("services.generation.engines.vllm_prompt")
    refusal = vllm_error("vllm.exceptions.VLLMValidationError", "template")
    refusal.__cause__ = TemplateSyntaxError("unexpected end of template", 3)
    prompts = module.PromptRenderer(ScriptedRenderer(refusal), "{% if %}")
    with pytest.raises(ModelFailedError) as caught:
        await prompts.prepare()
    assert caught.value.message.startswith("the chat template is no valid Jinja, line 3: ")
