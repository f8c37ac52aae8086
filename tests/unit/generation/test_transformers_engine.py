"""What our transformers engine does around a model, with a scripted model in its place."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from services.core.errors import (
    EngineUnavailableError,
    ModelFailedError,
    ModelNotFoundError,
    PromptTooLongError,
)
from services.generation.catalog import ModelSpec, SourceSpec
from services.generation.domain import EngineRequest, EngineResult, FinishReason
from services.generation.engine import Engine
from tests.unit.generation.builders import engine_request, until

pytestmark = pytest.mark.slow

Publish = Callable[[list[tuple[object, object]]], None]


class ScriptedModel:
    """Answers each request with its own instruction; holds batches until it is told to go on."""

    def __init__(self, module: ModuleType) -> None:
        self._end = module.AnswerEnd
        self.dtype = "float32"
        self.batches: list[list[str]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.fault: Exception | None = None
        self.is_alive = True

    def encode(self, request: EngineRequest, picture: object) -> object:
        ids = [1] * len(request.instruction)
        return SimpleNamespace(
            token_ids=ids, image_token_count=0, group=request.system_text, text=request.instruction
        )

    def generate(self, answers: Sequence[object], publish: Publish) -> None:
        texts = [answer.prompt.text for answer in answers]  # type: ignore[attr-defined]
        self.batches.append(texts)
        for answer, text in zip(answers, texts, strict=True):
            publish([(answer, text)])
        while not self.go_on.wait(0.01):
            if all(answer.is_cancelled for answer in answers):  # type: ignore[attr-defined]
                return
        if self.fault is not None:
            raise self.fault
        for answer in answers:
            publish([(answer, self._end(FinishReason.STOP, 3, 1.0, 1.5, 2.5))])

    def works(self) -> bool:
        return self.is_alive


@pytest.fixture
def module() -> ModuleType:
    # Imported here and not above: collecting tests must not wait for transformers.
    from services.generation.engines import transformers

    return transformers


@pytest.fixture
async def served(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[Engine, ScriptedModel]]:
    model = ScriptedModel(module)
    monkeypatch.setattr(module, "TransformersModel", lambda spec, arguments: model)
    monkeypatch.setattr(module, "folder_revision", lambda folder: "sha256:0")
    spec = ModelSpec(
        name="model",
        source=SourceSpec(folder="/m"),
        engine="transformers",
        max_model_len=100,
        adapters={"style": SourceSpec(folder="/a")},
        engine_arguments={"max_batch_size": 3, "batch_wait_s": 0.05},
    )
    engine = cast("Engine", module.TransformersEngine(spec))
    await engine.start()
    yield engine, model
    model.go_on.set()
    engine.stop()


async def text_of(engine: Engine, request: EngineRequest) -> str:
    pieces = [piece async for piece in engine.generate(request)]
    assert isinstance(pieces[-1], EngineResult)
    return "".join(piece for piece in pieces if isinstance(piece, str))


async def test_what_comes_together_is_generated_together_up_to_the_limit(
    served: tuple[Engine, ScriptedModel],
) -> None:
    engine, model = served
    asked = [engine_request(name) for name in "abcd"]
    assert await asyncio.gather(*(text_of(engine, each) for each in asked)) == ["a", "b", "c", "d"]
    assert sorted(map(len, model.batches)) == [1, 3]
    assert engine.running_count() == 0


async def test_the_result_tells_tokens_and_times(served: tuple[Engine, ScriptedModel]) -> None:
    engine, _ = served
    *_, result = [piece async for piece in engine.generate(engine_request("abc"))]
    assert isinstance(result, EngineResult)
    usage = result.usage
    assert (usage.prompt_token_count, usage.generated_token_count) == (3, 3)
    # It began at 1.0, gave its first token at 1.5 and its last at 2.5.
    assert (result.timings.prefill_s, result.timings.decode_s) == (0.5, 1.0)


async def test_closing_a_generation_ends_its_batch_and_frees_its_place(
    served: tuple[Engine, ScriptedModel],
) -> None:
    engine, model = served
    model.go_on.clear()
    pieces = engine.generate(engine_request("a"))
    assert await anext(pieces) == "a"
    assert engine.running_count() == 1
    await pieces.aclose()
    assert engine.running_count() == 0
    # The batch of the one that left is over, though nothing told it to go on.
    waiting = asyncio.create_task(text_of(engine, engine_request("b")))
    await until(lambda: model.batches == [["a"], ["b"]])
    model.go_on.set()
    assert await waiting == "b"


async def test_one_that_leaves_the_queue_is_never_generated(
    served: tuple[Engine, ScriptedModel],
) -> None:
    engine, model = served
    model.go_on.clear()
    first = asyncio.create_task(text_of(engine, engine_request("a")))
    await until(lambda: model.batches == [["a"]])
    second = asyncio.create_task(text_of(engine, engine_request("b")))
    await until(lambda: engine.running_count() == 2)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    model.go_on.set()
    assert await first == "a"
    assert await text_of(engine, engine_request("c")) == "c"
    assert model.batches == [["a"], ["c"]]


async def test_a_batch_that_fails_costs_its_own_requests_only(
    served: tuple[Engine, ScriptedModel],
) -> None:
    engine, model = served
    model.fault = RuntimeError("shapes of 'Explain the secret' do not fit")
    with pytest.raises(EngineUnavailableError) as caught:
        await text_of(engine, engine_request("a"))
    # What models raise may quote the prompt: it is for the log.
    assert caught.value.message == "the engine of model failed to generate"
    assert caught.value.__cause__ is model.fault
    model.fault = None
    await engine.check_health()
    assert await text_of(engine, engine_request("b")) == "b"


async def test_a_device_that_answers_no_more_ends_the_engine(
    served: tuple[Engine, ScriptedModel],
) -> None:
    engine, model = served
    model.go_on.clear()
    running = asyncio.create_task(text_of(engine, engine_request("a")))
    await until(lambda: model.batches == [["a"]])
    waiting = asyncio.create_task(text_of(engine, engine_request("b")))
    await until(lambda: engine.running_count() == 2)
    model.fault, model.is_alive = RuntimeError("CUDA error"), False
    model.go_on.set()
    for task in (running, waiting):
        with pytest.raises(EngineUnavailableError, match="the engine of model died"):
            await task
    with pytest.raises(EngineUnavailableError, match="the engine of model died"):
        await engine.check_health()
    with pytest.raises(EngineUnavailableError, match="the engine of model died"):
        await text_of(engine, engine_request("c"))


async def test_stopping_fails_what_runs(served: tuple[Engine, ScriptedModel]) -> None:
    engine, model = served
    model.go_on.clear()
    running = asyncio.create_task(text_of(engine, engine_request("a")))
    await until(lambda: model.batches == [["a"]])
    engine.stop()
    with pytest.raises(EngineUnavailableError, match="the engine of model is stopped"):
        await running
    engine.stop()


async def test_a_prompt_that_fills_the_context_never_waits(
    served: tuple[Engine, ScriptedModel],
) -> None:
    engine, model = served
    with pytest.raises(PromptTooLongError):
        await text_of(engine, engine_request("a" * 100))
    assert model.batches == []
    assert engine.running_count() == 0


async def test_an_unknown_adapter_is_refused_by_name(
    served: tuple[Engine, ScriptedModel],
) -> None:
    engine, _ = served
    assert await text_of(engine, replace(engine_request("a"), adapter="style")) == "a"
    with pytest.raises(ModelNotFoundError) as caught:
        await text_of(engine, replace(engine_request("a"), adapter="none"))
    assert caught.value.message == "model model has no adapter named 'none'"


async def test_what_a_loader_raises_fails_the_model_in_one_line(
    module: ModuleType, tmp_path: object
) -> None:
    spec = ModelSpec(
        name="model",
        source=SourceSpec(folder=str(tmp_path)),
        engine="transformers",
        max_model_len=100,
    )
    engine = cast("Engine", module.TransformersEngine(spec))
    with pytest.raises(ModelFailedError, match=r"config\.json is missing"):
        await engine.start()
    with pytest.raises(EngineUnavailableError, match="is not started"):
        await engine.check_health()
    engine.stop()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"max_batch_size": 0}, "engine_arguments.max_batch_size must be at least 1; got 0"),
        ({"max_batch_size": True}, "engine_arguments.max_batch_size must be at least 1; got True"),
        ({"batch_wait_s": -1}, "engine_arguments.batch_wait_s must be at least 0; got -1"),
        (
            {"processor": 3},
            "engine_arguments.processor must be a mapping of names to values; got 3",
        ),
    ],
)
async def test_wrong_arguments_fail_the_model(
    arguments: dict[str, object], reason: str, module: ModuleType
) -> None:
    spec = ModelSpec.model_validate(
        {
            "name": "model",
            "source": SourceSpec(folder="/m"),
            "engine": "transformers",
            "max_model_len": 100,
            "engine_arguments": arguments,
        }
    )
    with pytest.raises(ModelFailedError) as caught:
        await cast("Engine", module.TransformersEngine(spec)).start()
    assert caught.value.message == reason
