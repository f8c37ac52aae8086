"""A replica's log says of what a generation failed, and which one it was."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from structlog.testing import capture_logs

from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
    InvalidRequestError,
)
from services.generation.catalog import ScriptedFault, ScriptedSpec
from services.generation.engines import build_engine
from services.generation.failure_log import MAX_EVENTS_A_SECOND, FailureLog
from services.generation.runner import ModelRunner
from services.telemetry.logging import configure_logging
from services.telemetry.propagation import TraceContext, in_sweep, in_trace, outgoing_headers
from tests.unit.generation.builders import engine_request, scripted_spec

CALLER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", flags=1)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    before = structlog.get_config()
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    yield stream
    structlog.configure(**before)


async def test_the_event_names_the_request_its_sweep_its_model_and_its_trace(
    log: io.StringIO,
) -> None:
    fault = ScriptedSpec(faults=(ScriptedFault(action="fail", after_tokens=1),))
    spec = scripted_spec("failing").model_copy(update={"scripted": fault})
    runner = ModelRunner(spec, build_engine(spec), delta_interval_s=0.0)
    await runner.start()
    with in_trace(CALLER), in_sweep("mini"):
        origin = outgoing_headers()
    with pytest.raises(GenerationAbortedError):
        await runner.explain(replace(engine_request(request_id="q-1"), origin=origin), None)
    runner.stop()
    [event] = [json.loads(line) for line in log.getvalue().splitlines()]
    named = {name: event[name] for name in ("event", "request_id", "sweep", "model", "trace_id")}
    assert named == {
        "event": "generation_failed",
        "request_id": "q-1",
        "sweep": "mini",
        "model": "failing",
        "trace_id": CALLER.trace_id,
    }
    assert event["reason"] == "GENERATION_ABORTED"


def test_the_first_cause_is_told() -> None:
    failed = EngineUnavailableError("the engine of demo died")
    failed.__cause__ = EngineUnavailableError("the engine gave up")
    failed.__cause__.__cause__ = MemoryError("CUDA out of memory")
    with capture_logs() as events:
        FailureLog().note(failed)
    assert events == [
        {
            "event": "generation_failed",
            "log_level": "error",
            "reason": "ENGINE_UNAVAILABLE",
            "error": "the engine of demo died",
            "cause": "MemoryError: CUDA out of memory",
        }
    ]


def test_what_nobody_foresaw_is_logged_with_its_traceback() -> None:
    error = KeyError("x")
    with capture_logs() as events:
        FailureLog().note(error)
    [event] = events
    assert (event["reason"], event["exc_info"]) == ("KeyError", error)


@pytest.mark.parametrize("error", [InvalidRequestError("no"), DeadlineExceededError("too late")])
def test_what_is_not_the_engines_fault_is_not_logged_here(error: Exception) -> None:
    with capture_logs() as events:
        FailureLog().note(error)
    assert events == []


def test_an_engine_that_dies_under_many_generations_floods_no_log() -> None:
    clock = Clock()
    log = FailureLog(clock)
    with capture_logs() as events:
        for _ in range(1000):
            log.note(EngineUnavailableError("the engine of demo died"))
        assert len(events) == MAX_EVENTS_A_SECOND
        log.note(GenerationAbortedError("the engine of demo died"))
        assert len(events) == MAX_EVENTS_A_SECOND + 1
        clock.now = 1.0
        log.note(EngineUnavailableError("the engine of demo died"))
    assert len(events) == MAX_EVENTS_A_SECOND + 2
