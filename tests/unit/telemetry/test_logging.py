"""Where log events go, and what happens when they cannot go there."""

import contextvars
import io
import json
from collections.abc import Iterator
from typing import NoReturn
from unittest.mock import ANY

import pytest
import structlog

from services.telemetry.logging import (
    MAX_FIELD_CHARS,
    MAX_NAME_CHARS,
    MAX_TRACEBACK_CHARS,
    bind_request,
    configure_logging,
)
from services.telemetry.propagation import TraceContext, in_trace


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class FullDisk(io.StringIO):
    """A file that does not take a line until there is room again."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def logged(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in stream.getvalue().splitlines()]


def test_what_the_stream_does_not_take_is_lost_and_the_program_goes_on() -> None:
    stream = FullDisk()
    configure_logging(json=True, stream=stream)
    log = structlog.get_logger()
    for write in (log.info, log.warning, log.error):
        write("question_failed")
    stream.is_full = False
    for write in (log.info, log.warning, log.error, log.critical):
        write("model_ended")
    assert logged(stream) == ["model_ended"] * 4


def test_other_faults_of_the_stream_are_not_hidden() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        structlog.get_logger().info("model_ended")


def test_an_event_says_which_program_request_and_trace_it_is_of() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream, fields={"program": "expart-test", "model": "any"})
    log = structlog.get_logger()

    def answer() -> None:
        bind_request("q-1", "demo")
        with in_trace(TraceContext("a" * 32, "b" * 16)):
            log.info("answered", count=1)

    contextvars.copy_context().run(answer)
    log.info("idle")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    common = {"program": "expart-test", "level": "info"}
    named = {"request_id": "q-1", "model": "demo", "trace_id": "a" * 32, "span_id": "b" * 16}
    assert first == {**common, **named, "event": "answered", "count": 1, "timestamp": ANY}
    assert second == {**common, "model": "any", "event": "idle", "timestamp": ANY}


def test_what_is_too_long_for_a_log_is_cut() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)

    def answer() -> None:
        bind_request("r" * 10_000_000, "m" * 10_000_000)
        try:
            fail("quoted " * 10_000)
        except ValueError:
            structlog.get_logger().exception("call_failed", detail="d" * 10_000)

    contextvars.copy_context().run(answer)
    event = json.loads(stream.getvalue())
    assert (event["request_id"], event["model"]) == ("r" * MAX_NAME_CHARS, "m" * MAX_NAME_CHARS)
    assert event["detail"] == "d" * MAX_FIELD_CHARS + "… (10000 characters)"
    assert MAX_TRACEBACK_CHARS < len(event["exception"]) < MAX_TRACEBACK_CHARS + 100


def test_a_traceback_shows_no_values() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    sent = str(["somebody's", "text"])
    try:
        fail(f"a fault of {len(sent)}")
    except ValueError:
        structlog.get_logger().exception("call_failed")
    # 10 and 4 characters, 2 brackets, 4 quotes, a comma and a space.
    assert "a fault of 22" in stream.getvalue()
    assert sent not in json.loads(stream.getvalue())["exception"]


def fail(message: str) -> NoReturn:
    raise ValueError(message)
