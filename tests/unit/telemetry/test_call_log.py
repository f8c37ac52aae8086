"""The log of calls: one event a call, and never more than anybody can read."""

import asyncio

import structlog
from structlog.testing import capture_logs

from services.telemetry.call_log import (
    MAX_COUNTED_METHODS,
    MAX_EVENTS_PER_CODE,
    OTHER_METHODS,
    CallLog,
    FinishedCall,
)
from services.telemetry.logging import bind_request

METHOD = "/expart.scoring.v1.ScoringService/ListMetrics"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def call(code: str = "OK", *, reason: str = "", is_probe: bool = False) -> FinishedCall:
    return FinishedCall(METHOD, "sweeper", code, 0.25, "192.0.2.7", reason, is_probe)


async def test_a_call_is_one_event_and_a_failure_says_where_it_came_from() -> None:
    log = CallLog(Clock())
    with capture_logs() as events:
        log.record(call())
        log.record(call("INVALID_ARGUMENT", reason="INVALID_REQUEST"))
        log.record(call("UNAUTHENTICATED", reason="UNAUTHENTICATED"))
        log.record(call("INTERNAL", reason="INTERNAL"))
        log.record(call(is_probe=True))
    common = {"event": "call_finished", "method": METHOD, "client": "sweeper", "duration_s": 0.25}
    assert events[0] == {**common, "code": "OK", "log_level": "info"}
    assert events[1] == {
        **common,
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_REQUEST",
        "address": "192.0.2.7",
        "log_level": "info",
    }
    assert [event["log_level"] for event in events] == ["info", "info", "warning", "error", "debug"]


async def test_a_flood_of_one_code_hides_no_other_and_is_counted() -> None:
    clock = Clock()
    log = CallLog(clock)
    with capture_logs() as events:
        for _ in range(1000):
            log.record(call("RESOURCE_EXHAUSTED", reason="OVERLOADED"))
            log.record(call("INVALID_ARGUMENT", reason="INVALID_REQUEST"))
        log.record(call("INTERNAL", reason="INTERNAL"))
        log.flush()
    codes = [event["code"] for event in events if event["event"] == "call_finished"]
    assert codes.count("RESOURCE_EXHAUSTED") == 1
    assert codes.count("INVALID_ARGUMENT") == MAX_EVENTS_PER_CODE
    assert codes.count("INTERNAL") == 1
    counted = {e["code"]: e["count"] for e in events if e["event"] == "calls_not_logged"}
    assert counted == {
        "RESOURCE_EXHAUSTED": 1000 - 1,
        "INVALID_ARGUMENT": 1000 - MAX_EVENTS_PER_CODE,
    }


async def test_counts_follow_by_themselves_when_the_second_is_over_and_name_no_request() -> None:
    log = CallLog()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        bind_request("request-1", "model-1")
        for _ in range(5):
            log.record(call("RESOURCE_EXHAUSTED", reason="OVERLOADED"))
        await asyncio.sleep(1.5)
    assert [event["event"] for event in events] == ["call_finished", "calls_not_logged"]
    finished, counted = events
    assert finished["request_id"] == "request-1"
    assert counted["count"] == 4
    # They are of many calls, not of the one that happened to be the first of them.
    assert not {"request_id", "model"} & set(counted)


async def test_tracebacks_are_bounded_too_and_the_next_second_has_room_again() -> None:
    clock = Clock()
    log = CallLog(clock)
    with capture_logs() as events:
        for _ in range(100):
            log.crashed(METHOD, "request-1", ValueError("x"))
        assert len(events) == MAX_EVENTS_PER_CODE
        clock.now = 1.0
        log.crashed(METHOD, "request-1", ValueError("x"))
    assert len(events) == MAX_EVENTS_PER_CODE + 1


async def test_made_up_methods_cost_no_more_than_a_few() -> None:
    log = CallLog(Clock())
    with capture_logs() as events:
        for number in range(10_000):
            method = f"/{number}" + "x" * 5000
            log.record(FinishedCall(method, "a", "UNAUTHENTICATED", 0.0, "192.0.2.7"))
        log.flush()
    assert max(len(event["method"]) for event in events) == 200
    counts = {e["method"]: e["count"] for e in events if e["event"] == "calls_not_logged"}
    assert len(counts) == MAX_COUNTED_METHODS + 1
    # Each of the others came once.
    assert counts[OTHER_METHODS] == 10_000 - MAX_EVENTS_PER_CODE - MAX_COUNTED_METHODS
