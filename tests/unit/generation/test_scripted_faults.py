"""What the scripted engine does on purpose: fail, refuse, hang, freeze, crash, fall ill."""

import asyncio
import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from services.core.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    ModelFailedError,
    OverloadedError,
    ServiceError,
)
from services.generation.catalog import ModelSpec, ScriptedFault, ScriptedSpec
from services.generation.domain import EngineRequest, EngineResult
from services.generation.engine import Engine
from services.generation.engines import build_engine
from services.generation.engines.scripted_faults import CRASH_EXIT_CODE
from tests.unit.generation.builders import engine_request, scripted_spec, until


def spec_with(*faults: ScriptedFault, **script: object) -> ModelSpec:
    values = {"faults": list(faults), **script}
    return scripted_spec().model_copy(update={"scripted": ScriptedSpec.model_validate(values)})


def engine_with(*faults: ScriptedFault, **script: object) -> Engine:
    return build_engine(spec_with(*faults, **script))


async def answer(engine: Engine, request: EngineRequest) -> tuple[int, bool]:
    """Counts the tokens that came, and tells whether the result came after them."""
    pieces = [piece async for piece in engine.generate(request)]
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return len(texts), isinstance(pieces[-1], EngineResult)


async def count_until(engine: Engine, error: type[ServiceError], request: EngineRequest) -> int:
    count = 0
    with pytest.raises(error):
        async for _ in engine.generate(request):
            count += 1
    return count


@pytest.mark.parametrize("tokens", [0, 1, 7, 20])
async def test_a_failure_comes_after_exactly_that_many_tokens(tokens: int) -> None:
    # The answer has 20 tokens: after the 20th, only the result is missing.
    engine = engine_with(ScriptedFault(action="fail", after_tokens=tokens))
    assert await count_until(engine, EngineUnavailableError, engine_request()) == tokens
    assert engine.running_count() == 0


async def test_an_answer_that_is_shorter_is_not_met() -> None:
    engine = engine_with(ScriptedFault(action="fail", after_tokens=21))
    assert await answer(engine, engine_request()) == (20, True)


async def test_refusals_and_overload_come_before_the_first_token() -> None:
    refusing = engine_with(ScriptedFault(action="refuse"))
    assert await count_until(refusing, InvalidRequestError, engine_request()) == 0
    overloaded = engine_with(ScriptedFault(action="overload"))
    assert await count_until(overloaded, OverloadedError, engine_request()) == 0
    with pytest.raises(ValidationError, match="after_tokens must be 0 for the action refuse"):
        ScriptedFault(action="refuse", after_tokens=1)


async def test_only_requests_of_which_every_condition_holds_are_met() -> None:
    engine = engine_with(
        ScriptedFault(action="refuse", instruction_contains="colour", request_id_contains="x")
    )
    assert await answer(engine, engine_request("Which colour?", request_id="abc")) == (20, True)
    assert await answer(engine, engine_request("Which shape?", request_id="axc")) == (20, True)
    met = engine_request("Which colour?", request_id="axc")
    assert await count_until(engine, InvalidRequestError, met) == 0


async def test_the_first_fault_that_meets_a_request_is_played() -> None:
    engine = engine_with(
        ScriptedFault(action="overload", instruction_contains="colour"),
        ScriptedFault(action="refuse"),
    )
    assert await count_until(engine, OverloadedError, engine_request("Which colour?")) == 0
    assert await count_until(engine, InvalidRequestError, engine_request("Which shape?")) == 0


async def test_a_fault_is_played_as_often_as_it_says() -> None:
    engine = engine_with(ScriptedFault(action="fail", times=2))
    for _ in range(2):
        assert await count_until(engine, EngineUnavailableError, engine_request()) == 0
    assert await answer(engine, engine_request()) == (20, True)


async def met_ids(engine: Engine) -> set[str]:
    met = set()
    for number in range(400):
        try:
            await answer(engine, engine_request(request_id=str(number), max_tokens=1))
        except EngineUnavailableError:
            met.add(str(number))
    return met


async def test_a_share_of_the_requests_is_met_and_always_the_same_ones() -> None:
    fault = ScriptedFault(action="fail", share=0.25)
    met = await met_ids(engine_with(fault))
    # 400 draws at 0.25: mean 100, standard deviation sqrt(400 * 0.25 * 0.75) = 8.7; 5 of those
    # either side.
    assert 56 < len(met) < 144
    assert await met_ids(engine_with(fault)) == met


async def test_two_faults_with_a_share_meet_requests_independently() -> None:
    half = ScriptedFault(action="fail", share=0.5)
    both = await met_ids(engine_with(half, half))
    # 1 - 0.5 * 0.5 = 0.75 of 400 is 300, standard deviation 8.7; were they the same, 200.
    assert 256 < len(both) < 344


async def test_a_hang_gives_its_tokens_and_can_be_cancelled() -> None:
    engine = engine_with(ScriptedFault(action="hang", after_tokens=3))
    pieces: list[str] = []

    async def collect() -> None:
        async for piece in engine.generate(engine_request()):
            assert isinstance(piece, str)
            pieces.append(piece)

    task = asyncio.create_task(collect())
    await until(lambda: len(pieces) == 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.running_count() == 0


async def test_a_stubborn_hang_ignores_cancellation_until_the_engine_is_stopped() -> None:
    engine = engine_with(ScriptedFault(action="hang_stubbornly"))
    task = asyncio.create_task(answer(engine, engine_request()))
    await until(lambda: engine.running_count() == 1)
    for _ in range(3):
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=0.1)
        assert not done
    assert engine.running_count() == 1
    engine.stop()
    with pytest.raises(EngineUnavailableError, match="was stopped"):
        await task
    assert engine.running_count() == 0


def play_in_another_process(action: str) -> subprocess.Popen[bytes]:
    code = (
        "import asyncio\n"
        "from tests.unit.generation import test_scripted_faults as t\n"
        f"engine = t.engine_with(t.ScriptedFault(action={action!r}, after_tokens=1))\n"
        "async def main():\n"
        "    async def beat():\n"
        "        while True:\n"
        "            print('beat', flush=True)\n"
        "            await asyncio.sleep(0.01)\n"
        "    beating = asyncio.create_task(beat())\n"
        "    await asyncio.sleep(0.1)\n"
        "    print('asked', flush=True)\n"
        "    await t.answer(engine, t.engine_request())\n"
        "asyncio.run(main())\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def test_a_crash_ends_the_process_at_once() -> None:
    with play_in_another_process("crash") as process:
        assert process.wait(timeout=60) == CRASH_EXIT_CODE


def test_a_freeze_stops_the_whole_process_and_leaves_it_alive() -> None:
    with play_in_another_process("freeze") as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()) and line != b"asked\n":
            pass
        assert line == b"asked\n"
        # The event loop's other task beat every 10 ms; now there is nothing to read.
        os.set_blocking(process.stdout.fileno(), False)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            assert not (process.stdout.read() or b"").count(b"beat\n") > 1
        finally:
            process.kill()


async def test_loading_fails_with_the_scripted_reason() -> None:
    with pytest.raises(ModelFailedError, match="no such weights"):
        await engine_with(load_error="no such weights").start()


async def test_health_is_lost_after_that_many_requests_however_they_ended() -> None:
    engine = engine_with(ScriptedFault(action="fail", times=1), unhealthy_after=2)
    await engine.check_health()
    await count_until(engine, EngineUnavailableError, engine_request())
    await engine.check_health()
    await answer(engine, engine_request())
    with pytest.raises(EngineUnavailableError, match="unwell"):
        await engine.check_health()
    assert await answer(engine, engine_request()) == (20, True)
