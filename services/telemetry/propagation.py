"""What travels with every call: which trace it belongs to, and which sweep it is of.

As W3C Trace Context and W3C Baggage write it, in the headers ``traceparent``, ``tracestate`` and
``baggage``. It is passed on whether or not anybody records traces, so that the logs of all programs
name the same trace.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import quote, unquote

import structlog

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"
SWEEP_KEY = "expart.sweep"

# Headers come from outside: what is longer than anybody needs is not looked at.
MAX_BAGGAGE_CHARS = 8192
MAX_STATE_CHARS = 512
MAX_SWEEP_CHARS = 128

# The bits that are known: the trace is recorded (level 1), its id is random (level 2).
KNOWN_FLAGS = 0x03
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_UNKNOWN_VERSION = "ff"
_FIRST_VERSION = "00"
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16

Headers = tuple[tuple[str, str], ...]
"""As gRPC takes them as metadata."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: what comes next is a child of this span.

    Attributes:
        trace_id: 32 lowercase hexadecimal digits, not all 0.
        span_id: 16 of them.
        flags: Bit 0 says that the trace is recorded, bit 1 that its id was drawn at random.
        state: What other tracing systems along the way have noted; passed on as it is.
    """

    trace_id: str
    span_id: str
    flags: int = 0
    state: str = ""

    @property
    def traceparent(self) -> str:
        """As the header has it."""
        return f"{_FIRST_VERSION}-{self.trace_id}-{self.span_id}-{self.flags:02x}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call comes from, as far as its caller said so.

    Attributes:
        trace: The caller's span.
        sweep: The sweep that it is part of; empty for none.
    """

    trace: TraceContext | None = None
    sweep: str = ""


NOWHERE = Origin()

_trace: ContextVar[TraceContext | None] = ContextVar("trace", default=None)
_sweep: ContextVar[str] = ContextVar("sweep", default="")


def current_trace() -> TraceContext | None:
    """Gives the span that the present work is part of, if it is part of any."""
    return _trace.get()


def current_sweep() -> str:
    """Names the sweep that the present work is part of; empty for none."""
    return _sweep.get()


@contextmanager
def in_trace(trace: TraceContext | None) -> Iterator[None]:
    """Makes what happens in the block part of a span.

    Not for generators, whose blocks may end in another context than the one they began in.
    """
    token = _trace.set(trace)
    try:
        yield
    finally:
        _trace.reset(token)


@contextmanager
def in_sweep(name: str) -> Iterator[None]:
    """Has calls made in the block say that they are part of a sweep; not for generators."""
    token = _sweep.set(name[:MAX_SWEEP_CHARS])
    try:
        yield
    finally:
        _sweep.reset(token)


def come_from(origin: Origin) -> None:
    """Makes the current task, or context, part of the trace and the sweep that a call came from."""
    if origin.trace is not None:
        _trace.set(origin.trace)
    if origin.sweep:
        _sweep.set(origin.sweep)
        structlog.contextvars.bind_contextvars(sweep=origin.sweep)


def outgoing_headers(trace: TraceContext | None = None) -> Headers:
    """Makes the headers of a call that is about to be made.

    Args:
        trace: The span that makes it; by default the current one.
    """
    trace = trace or _trace.get()
    sweep = _sweep.get()
    headers: Headers = ()
    if trace is not None:
        headers = ((TRACEPARENT, trace.traceparent),)
        if trace.state:
            headers += ((TRACESTATE, trace.state),)
    if sweep:
        headers += ((BAGGAGE, f"{SWEEP_KEY}={quote(sweep, safe='')}"),)
    return headers


def read_origin(headers: Iterable[tuple[str, str | bytes]]) -> Origin:
    """Reads the headers of a call; what is malformed counts as not there.

    >>> read_origin([("baggage", "user=7, expart.sweep=mini%20one;ttl=1")]).sweep
    'mini one'
    >>> read_origin([("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")]).trace.flags
    1
    """
    parents: list[str] = []
    states: list[str] = []
    sweep = ""
    for name, value in headers:
        if name == TRACEPARENT:
            parents.append(str(value))
        elif name == TRACESTATE:
            states.append(str(value))
        elif name == BAGGAGE:
            sweep = _sweep_in(str(value)) or sweep
    if not (parents or sweep):
        return NOWHERE
    # Two of them say that something on the way is broken.
    return Origin(_parse(parents[0], ",".join(states)) if len(parents) == 1 else None, sweep)


def _parse(parent: str, state: str) -> TraceContext | None:
    found = _TRACEPARENT.fullmatch(parent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == _UNKNOWN_VERSION or (version == _FIRST_VERSION and more):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    known_state = state if len(state) <= MAX_STATE_CHARS and _is_plain(state) else ""
    return TraceContext(trace_id, span_id, int(flags, 16) & KNOWN_FLAGS, known_state)


def _sweep_in(baggage: str) -> str:
    if len(baggage) > MAX_BAGGAGE_CHARS:
        return ""
    for member in baggage.split(","):
        key, _, value = member.partition("=")
        if key.strip() == SWEEP_KEY:
            sweep = unquote(value.partition(";")[0].strip())[:MAX_SWEEP_CHARS]
            return sweep if sweep.isprintable() else ""
    return ""


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
