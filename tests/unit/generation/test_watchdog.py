"""Generations that do not end by themselves: the runner ends them, or tells that it cannot."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
)
from services.generation.catalog import ModelSpec, ScriptedFault
from services.generation.domain import Completion, EngineRequest, EngineResult, TextDelta
from services.generation.engine_watch import GenerationLimits
from services.generation.engines.scripted import ScriptedEngine
from services.generation.runner import ModelRunner
from tests.unit.generation.builders import engine_request, scripted_spec, until

NEVER_S = 3600.0


def faulty_spec(
    *faults: ScriptedFault, stall_s: float = NEVER_S, per_token_s: float = 0.0
) -> ModelSpec:
    spec = scripted_spec(per_token_s=per_token_s)
    script = spec.scripted.model_copy(update={"faults": faults})
    return spec.model_copy(update={"scripted": script, "stall_s": stall_s})


def runner_of(
    spec: ModelSpec,
    engine: ScriptedEngine | None = None,
    *,
    timeout_s: float = NEVER_S,
    release_s: float = NEVER_S,
) -> ModelRunner:
    limits = GenerationLimits(timeout_s=timeout_s, release_s=release_s)
    return ModelRunner(spec, engine or ScriptedEngine(spec), delta_interval_s=0, limits=limits)


STUBBORN = ScriptedFault(action="hang_stubbornly", instruction_contains="stubborn", after_tokens=1)
HANGING = ScriptedFault(action="hang", instruction_contains="hang")
HANGING_LATE = ScriptedFault(action="hang", instruction_contains="late", after_tokens=2)


class ChattyEngine(ScriptedEngine):
    """Goes on yielding whatever it is told, and notes when it is closed at last."""

    closed = False

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields words without end."""
        self._running += 1
        try:
            while True:
                try:
                    await asyncio.sleep(0.001)
                except asyncio.CancelledError:
                    continue
                finally:
                    yield "word "
        finally:
            self._running -= 1
            self.closed = True


class ForgetfulEngine(ScriptedEngine):
    """Cancels what it waits for itself."""

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields a word, then loses the rest."""
        yield "word"
        raise asyncio.CancelledError


async def test_the_answer_names_the_adapter_that_was_asked_for() -> None:
    request = engine_request()
    adapted = EngineRequest(
        request.request_id,
        request.image,
        request.instruction,
        request.system_text,
        request.sampling,
        adapter="baroque",
    )
    answer = await runner_of(faulty_spec()).explain(adapted, timeout_s=None)
    assert answer.completion.provenance.adapter == "baroque"


async def test_a_caller_is_answered_at_the_deadline_though_the_engine_goes_on() -> None:
    model = runner_of(faulty_spec(STUBBORN))
    with pytest.raises(DeadlineExceededError):
        await model.explain(engine_request("Be stubborn."), timeout_s=0.01)
    assert model.running_count() == 1
    # It still has its time to let go, so it is not unwell yet, and others are served.
    await model.check_health()
    assert (await model.explain(engine_request(), timeout_s=NEVER_S)).text
    model.stop()
    await until(lambda: model.running_count() == 0)


async def test_an_engine_that_does_not_let_go_in_time_is_unwell_until_it_has() -> None:
    model = runner_of(faulty_spec(STUBBORN), release_s=0.05)
    with pytest.raises(DeadlineExceededError):
        await model.explain(engine_request("Be stubborn."), timeout_s=0.01)
    await until_unwell(model, "has not let go of 1 ended generations within 0.05 s")
    with pytest.raises(EngineUnavailableError, match="is being replaced"):
        await model.explain(engine_request(), timeout_s=NEVER_S)
    model.stop()  # which ends it
    await until(lambda: model.running_count() == 0)
    await model.check_health()


async def test_what_gets_tokens_goes_on_while_the_engine_is_unwell() -> None:
    model = runner_of(faulty_spec(STUBBORN, per_token_s=0.05), release_s=0.05)
    async with aclosing(model.stream(engine_request(max_tokens=20), timeout_s=None)) as events:
        await anext(events)
        with pytest.raises(DeadlineExceededError):
            await model.explain(engine_request("Be stubborn."), timeout_s=0.12)
        await until_unwell(model, "has not let go of 1 ended generations")
        # 20 words take a second; a fifth of it has passed, or twice that on a busy machine.
        rest = [event async for event in events]
        assert isinstance(rest[-1], Completion)
        assert len("".join(event.text for event in rest[:-1]).split()) > 5
    model.stop()


async def test_closing_a_stream_does_not_wait_for_an_engine_that_goes_on() -> None:
    model = runner_of(faulty_spec(STUBBORN))
    events = model.stream(engine_request("Be stubborn."), timeout_s=None)
    assert await anext(events)
    for _ in range(20):  # turns of the event loop, enough to reach what it does not let go of
        await asyncio.sleep(0)
    await events.aclose()
    assert model.running_count() == 1
    model.stop()


async def test_an_engine_that_goes_on_yielding_is_closed() -> None:
    spec = faulty_spec()
    engine = ChattyEngine(spec)
    model = runner_of(spec, engine)
    with pytest.raises(DeadlineExceededError):
        await model.explain(engine_request(), timeout_s=0.01)
    await until(lambda: engine.closed)
    await model.check_health()


async def test_a_generation_without_a_deadline_gets_one() -> None:
    model = runner_of(faulty_spec(HANGING), timeout_s=0.05)
    with pytest.raises(DeadlineExceededError, match=r"longer than 0.05 s, the most without") as it:
        await model.explain(engine_request("Just hang."), timeout_s=None)
    assert it.value.metadata == {"generation_timeout_s": "0.05"}
    assert model.running_count() == 0


async def test_a_deadline_that_has_passed_costs_the_engine_nothing() -> None:
    model = runner_of(faulty_spec())
    with pytest.raises(DeadlineExceededError):
        await model.explain(engine_request(), timeout_s=-0.001)


async def test_a_hang_before_the_first_token_ends_as_unavailable() -> None:
    model = runner_of(faulty_spec(HANGING, stall_s=0.05))
    with pytest.raises(EngineUnavailableError, match=r"produced nothing for 0.05 s") as caught:
        await model.explain(engine_request("Just hang."), timeout_s=None)
    assert caught.value.metadata == {"model": "scripted"}
    assert model.running_count() == 0
    # Nobody waits any more, and still the engine must be replaced.
    with pytest.raises(EngineUnavailableError, match="produced nothing"):
        await model.check_health()
    with pytest.raises(EngineUnavailableError, match="produced nothing"):
        [event async for event in model.stream(engine_request(), timeout_s=None)]


async def test_a_hang_after_the_first_token_aborts_the_generation() -> None:
    model = runner_of(faulty_spec(HANGING_LATE, stall_s=0.05))
    texts = []
    with pytest.raises(GenerationAbortedError, match=r"produced nothing for 0.05 s"):
        async for event in model.stream(engine_request("Hang late."), timeout_s=None):
            assert isinstance(event, TextDelta)
            texts.append(event.text)
    assert len("".join(texts).split()) == 2


async def test_one_that_hangs_beside_others_that_do_not_is_left_to_its_deadline() -> None:
    # The other gives a sign of life every 20 ms for 4 s, far more often than every 1.5 s.
    model = runner_of(faulty_spec(HANGING, stall_s=1.5, per_token_s=0.02))
    lively = asyncio.create_task(model.explain(engine_request(max_tokens=200), timeout_s=None))
    with pytest.raises(DeadlineExceededError):
        await model.explain(engine_request("Just hang."), timeout_s=2.5)
    await model.check_health()
    lively.cancel()


async def test_a_hang_is_found_although_no_caller_stays_long_enough() -> None:
    model = runner_of(faulty_spec(ScriptedFault(action="hang"), stall_s=0.2))
    for _ in range(5):
        await model.check_health()
        with pytest.raises(DeadlineExceededError):
            await model.explain(engine_request(), timeout_s=0.05)
    # 5 x 0.05 s of work without a token: the next health check asks for one itself.
    await model.check_health()
    await until_unwell(model, "produced nothing for 0.2 s")


async def test_callers_who_leave_early_do_not_make_an_engine_that_answers_unwell() -> None:
    slow = scripted_spec(first_token_s=0.1).model_copy(update={"stall_s": 0.2})
    model = runner_of(slow)
    for _ in range(5):
        with pytest.raises(DeadlineExceededError):
            await model.explain(engine_request(), timeout_s=0.05)
    await model.check_health()
    await until(lambda: model.running_count() == 1)  # its own question
    await until(lambda: model.running_count() == 0)
    await model.check_health()
    assert (await model.explain(engine_request(), timeout_s=None)).text


async def test_an_engine_that_gives_a_request_up_is_lost_and_no_caller_cancelled() -> None:
    spec = faulty_spec()
    model = runner_of(spec, ForgetfulEngine(spec))
    with pytest.raises(GenerationAbortedError, match="gave the request up"):
        await model.explain(engine_request(), timeout_s=None)


async def until_unwell(model: ModelRunner, complaint: str) -> None:
    """Checks the health again and again, until it is as bad as expected or 20 s have passed."""
    with pytest.raises(EngineUnavailableError, match=complaint):
        for _ in range(2000):
            await model.check_health()
            await asyncio.sleep(0.01)
