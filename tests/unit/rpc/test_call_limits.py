"""Limits on calls: no place is ever lost, none is given twice, and memory is bounded."""

from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import OverloadedError
from services.rpc import call_limits
from services.rpc.call_limits import CallLimiter, CallLimits


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# Begin a call of a client, end the n-th open call (well, badly or cancelled), or let time pass.
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.sampled_from("abc")),
        st.tuples(st.sampled_from(["end", "fail", "cancel"]), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.floats(0, 5)),
    ),
    max_size=60,
)


@given(
    steps=_steps,
    max_calls=st.integers(1, 6),
    per_client=st.integers(1, 4),
    rate=st.sampled_from([0.0, 0.5, 3.0]),
)
def test_whatever_happens_the_counts_are_those_of_the_open_calls(
    steps: list[tuple[str, object]], max_calls: int, per_client: int, rate: float
) -> None:
    clock = Clock()
    limits = CallLimits(
        max_calls=max_calls,
        max_calls_per_client=per_client,
        calls_per_second_per_client=rate,
        call_burst_per_client=3,
    )
    limiter = CallLimiter(limits, clock)
    open_calls: list[tuple[str, ExitStack]] = []
    for step, value in steps:
        if step == "begin":
            name = str(value)
            mine = sum(client == name for client, _ in open_calls)
            call = ExitStack()
            refusal = None
            try:
                call.enter_context(limiter.admit(name))
            except OverloadedError as caught:
                refusal = caught
            if refusal is not None:
                assert refusal.retry_after_s > 0
                # Refused for a reason: full, the client is full, or there is a rate.
                assert len(open_calls) == max_calls or mine == per_client or rate
            else:
                assert len(open_calls) < max_calls
                assert mine < per_client
                open_calls.append((name, call))
        elif step == "wait":
            clock.now += float(str(value))
        elif open_calls:
            _, call = open_calls.pop(int(str(value)) % len(open_calls))
            error = {"end": None, "fail": ValueError(), "cancel": GeneratorExit()}[step]
            with suppress(ValueError, GeneratorExit):
                call.__exit__(type(error) if error else None, error, None)
        assert limiter.in_flight == len(open_calls)
        assert limiter.known_clients <= 3
    for _, call in open_calls:
        call.close()
    assert limiter.in_flight == 0
    if not rate:
        assert limiter.known_clients == 0
    # Every place can be had again once the rate allows for it.
    clock.now += 1000
    with ExitStack() as stack:
        for _ in range(min(max_calls, per_client, 3)):
            stack.enter_context(limiter.admit("a"))


def test_a_rate_is_a_burst_and_then_so_many_a_second() -> None:
    clock = Clock()
    limits = CallLimits(calls_per_second_per_client=2.0, call_burst_per_client=3)
    limiter = CallLimiter(limits, clock)

    def begin() -> float:
        """Begins and ends a call; seconds to wait if it is refused."""
        try:
            with limiter.admit("a"):
                return 0.0
        except OverloadedError as refusal:
            return refusal.retry_after_s

    assert [begin() for _ in range(3)] == [0, 0, 0]
    # Two a second: the next call is earned half a second after the burst was spent.
    assert begin() == 0.5
    clock.now = 0.4
    assert begin() == pytest.approx(0.1)
    clock.now = 0.5
    assert begin() == 0
    assert begin() == 0.5
    # A long rest earns the burst and no more.
    clock.now = 1000.0
    assert [begin() for _ in range(4)] == [0, 0, 0, 0.5]


def test_one_client_at_its_limits_hinders_no_other() -> None:
    limits = CallLimits(max_calls_per_client=1, calls_per_second_per_client=0.1)
    limiter = CallLimiter(limits, Clock())
    with limiter.admit("a"):
        with pytest.raises(OverloadedError, match="client a has 1 calls in flight"):
            limiter.admit("a").__enter__()
        with limiter.admit("b"):
            assert limiter.in_flight == 2


def test_refused_calls_cost_nothing_of_the_rate() -> None:
    limits = CallLimits(
        max_calls_per_client=1, calls_per_second_per_client=0.1, call_burst_per_client=2
    )
    limiter = CallLimiter(limits, Clock())
    with limiter.admit("a"):
        for _ in range(10):
            with pytest.raises(OverloadedError, match="in flight"):
                limiter.admit("a").__enter__()
    with limiter.admit("a"):  # the second of the burst is still there
        pass


def test_memory_is_bounded_however_many_clients_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_limits, "MAX_RESTING_CLIENTS", 50)
    limits = CallLimits(calls_per_second_per_client=0.1, call_burst_per_client=1)
    limiter = CallLimiter(limits, Clock())
    for number in range(1000):
        with limiter.admit(f"client-{number}"):
            pass
        assert limiter.known_clients <= 51
    # The last fifty are remembered: they have no call left.
    with pytest.raises(OverloadedError):
        limiter.admit("client-999").__enter__()
    assert limiter.known_clients == 50
