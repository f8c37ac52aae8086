"""What a replica adds to its engine: deadlines, coalescing, provenance, honest errors."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
    InternalError,
)
from services.generation.domain import Completion, EngineRequest, EngineResult, TextDelta
from services.generation.engines import build_engine
from services.generation.engines.scripted import ScriptedEngine
from services.generation.runner import ModelRunner
from tests.unit.generation.builders import engine_request, picture, scripted_spec, until


def runner(
    *, first_token_s: float = 0.0, per_token_s: float = 0.0, delta_interval_s: float = 0.0
) -> ModelRunner:
    spec = scripted_spec(first_token_s=first_token_s, per_token_s=per_token_s)
    return ModelRunner(spec, build_engine(spec), delta_interval_s=delta_interval_s)


class DyingEngine(ScriptedEngine):
    """Is lost after a number of pieces."""

    pieces_before_death = 0

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields some pieces, then fails."""
        for index in range(self.pieces_before_death):
            yield f"piece {index} "
        raise EngineUnavailableError("the engine died", model="scripted")


class MuteEngine(ScriptedEngine):
    """Ends without a result, which no engine may."""

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields text only."""
        yield "text"


class TimedOutEngine(ScriptedEngine):
    """Runs into a timeout of its own."""

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields text, then fails."""
        yield "text"
        raise TimeoutError("a lock was not released")


async def test_a_stream_and_a_whole_answer_have_the_same_text_and_provenance() -> None:
    model = runner()
    request = engine_request(image=picture())
    whole = await model.explain(request, timeout_s=None)
    events = [event async for event in model.stream(request, timeout_s=None)]
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == whole.text
    completion = events[-1]
    assert isinstance(completion, Completion)
    assert completion.provenance == whole.completion.provenance
    assert completion.usage == whole.completion.usage
    assert completion.provenance.image_digest == picture().digest
    assert completion.provenance.sampling == request.sampling
    assert completion.provenance.engine == "scripted"


async def test_deltas_after_the_first_are_merged() -> None:
    # Nothing but the end comes within the hour's interval: the first word, the rest, the end.
    model = runner(per_token_s=0.001, delta_interval_s=3600)
    events = [event async for event in model.stream(engine_request(), timeout_s=None)]
    first, rest, end = events
    assert isinstance(first, TextDelta)
    assert isinstance(rest, TextDelta)
    assert isinstance(end, Completion)
    assert len(f"{first.text}{rest.text}".split()) == 20


async def test_no_delta_is_empty() -> None:
    async for event in runner().stream(engine_request(), timeout_s=None):
        assert not isinstance(event, TextDelta) or event.text


async def test_the_deadline_ends_a_whole_answer() -> None:
    model = runner(first_token_s=60)
    with pytest.raises(DeadlineExceededError):
        await model.explain(engine_request(), timeout_s=0.01)
    assert model.running_count() == 0


async def test_a_timeout_of_the_engine_is_not_the_callers_deadline() -> None:
    spec = scripted_spec()
    model = ModelRunner(spec, TimedOutEngine(spec), delta_interval_s=0)
    with pytest.raises(TimeoutError, match="a lock was not released"):
        await model.explain(engine_request(), timeout_s=60)


async def test_the_deadline_ends_a_stream_that_nobody_reads() -> None:
    model = runner(per_token_s=60)
    async with aclosing(model.stream(engine_request(), timeout_s=0.05)) as events:
        await anext(events)
        assert model.running_count() == 1
        await until(lambda: model.running_count() == 0)
        with pytest.raises(DeadlineExceededError):
            await anext(events)


async def test_closing_a_stream_frees_the_engine_before_it_counts_as_closed() -> None:
    model = runner(per_token_s=60)
    events = model.stream(engine_request(), timeout_s=None)
    await anext(events)
    await events.aclose()
    assert model.running_count() == 0


async def test_cancelling_a_whole_answer_frees_the_engine() -> None:
    model = runner(first_token_s=60)
    task = asyncio.create_task(model.explain(engine_request(), timeout_s=None))
    await until(lambda: model.running_count() == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.running_count() == 0


async def test_an_engine_lost_before_the_first_token_is_unavailable() -> None:
    spec = scripted_spec()
    model = ModelRunner(spec, DyingEngine(spec), delta_interval_s=0)
    with pytest.raises(EngineUnavailableError):
        [event async for event in model.stream(engine_request(), timeout_s=None)]


async def test_an_engine_lost_after_the_first_token_aborts_the_generation() -> None:
    spec = scripted_spec()
    engine = DyingEngine(spec)
    engine.pieces_before_death = 1
    model = ModelRunner(spec, engine, delta_interval_s=0)
    with pytest.raises(GenerationAbortedError) as caught:
        [event async for event in model.stream(engine_request(), timeout_s=None)]
    assert caught.value.metadata == {"model": "scripted"}


async def test_an_engine_that_gives_no_result_is_a_fault_of_ours() -> None:
    spec = scripted_spec()
    model = ModelRunner(spec, MuteEngine(spec), delta_interval_s=0)
    with pytest.raises(InternalError):
        await model.explain(engine_request(), timeout_s=None)
