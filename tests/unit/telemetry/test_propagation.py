"""What travels with a call: read as W3C says, and written so that it can be read again."""

import contextvars

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.propagation import (
    NOWHERE,
    Origin,
    TraceContext,
    come_from,
    current_sweep,
    current_trace,
    in_sweep,
    in_trace,
    outgoing_headers,
    read_origin,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
# The example of W3C Trace Context, 3.2.
HEADER = f"00-{TRACE}-{SPAN}-01"
KNOWN = TraceContext(TRACE, SPAN, 1)

ids = st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda text: set(text) != {"0"})


def test_the_standards_own_example_is_read_and_written() -> None:
    assert read_origin([("traceparent", HEADER)]).trace == KNOWN
    assert KNOWN.traceparent == HEADER


@pytest.mark.parametrize(
    "header",
    [
        "",
        "rubbish",
        HEADER.upper(),
        f"ff-{TRACE}-{SPAN}-01",  # the version that never will be
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",  # version 00 has four parts
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[1:]}-{SPAN}-01",
        HEADER + "\n",
    ],
)
def test_what_is_malformed_counts_as_not_there(header: str) -> None:
    assert read_origin([("traceparent", header)]) == Origin()


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    # W3C: a parser of version 00 reads the first four parts; of the flags two are known.
    header = f"cc-{TRACE}-{SPAN}-ff-what the future brings"
    assert read_origin([("traceparent", header)]).trace == TraceContext(TRACE, SPAN, 0b11)


def test_two_parents_are_none() -> None:
    assert read_origin([("traceparent", HEADER)] * 2).trace is None
    assert read_origin([("traceparent", HEADER)] * 3).trace is None


def test_what_other_systems_noted_is_passed_on_within_bounds() -> None:
    def state_of(text: str) -> str:
        trace = read_origin([("traceparent", HEADER), ("tracestate", text)]).trace
        assert trace is not None
        return trace.state

    assert state_of("congo=t61rcWkgMzE") == "congo=t61rcWkgMzE"
    assert state_of("x=" + "y" * 511) == ""  # W3C asks for 512 characters at least
    assert state_of("x=\N{SNOWMAN}") == ""


def test_what_other_systems_noted_may_come_in_several_headers() -> None:
    # W3C Trace Context, 3.3: multiple tracestate headers are combined, in their order.
    headers = [("traceparent", HEADER), ("tracestate", "rojo=1"), ("tracestate", "congo=2")]
    trace = read_origin(headers).trace
    assert trace is not None
    assert trace.state == "rojo=1,congo=2"


@given(trace_id=ids, span=ids, flags=st.integers(0, 3), sweep=st.text(max_size=60))
def test_what_is_written_is_read_again(trace_id: str, span: str, flags: int, sweep: str) -> None:
    trace = TraceContext(trace_id, span[:15] + "1", flags, "rojo=1")
    with in_trace(trace), in_sweep(sweep):
        headers = outgoing_headers()
    assert all(name.islower() and text.isascii() and text.isprintable() for name, text in headers)
    found = read_origin(headers)
    assert found.trace == trace
    # What cannot be printed has no place in a log.
    assert found.sweep == (sweep if sweep.isprintable() else "")


@given(st.lists(st.tuples(st.sampled_from(["traceparent", "tracestate", "baggage"]), st.text())))
def test_no_header_breaks_a_call(headers: list[tuple[str, str]]) -> None:
    read_origin(headers)


def test_where_there_is_nothing_to_say_nothing_is_sent() -> None:
    assert outgoing_headers() == ()
    assert read_origin([("user-agent", "grpc")]) is NOWHERE


def test_of_a_sweep_no_more_is_taken_than_a_name() -> None:
    assert len(read_origin([("baggage", "expart.sweep=" + "s" * 1000)]).sweep) == 128
    assert read_origin([("baggage", "expart.sweep=s," + "x" * 9000)]).sweep == ""
    assert read_origin([("baggage", "expart.sweep=a%0Ab")]).sweep == ""


def test_a_block_ends_with_what_was_before_it() -> None:
    other = TraceContext(TRACE, "0" * 15 + "7")
    with in_trace(KNOWN), in_sweep("mini"):
        with in_trace(other):
            assert current_trace() == other
        assert (current_trace(), current_sweep()) == (KNOWN, "mini")
    assert (current_trace(), current_sweep()) == (None, "")


def test_a_task_comes_from_where_its_call_does_and_no_other_one() -> None:
    def answer() -> tuple[TraceContext | None, str, object]:
        come_from(Origin(KNOWN, "mini"))
        bound = structlog.contextvars.get_contextvars()
        return current_trace(), current_sweep(), bound["sweep"]

    assert contextvars.copy_context().run(answer) == (KNOWN, "mini", "mini")
    assert (current_trace(), current_sweep()) == (None, "")
