"""Records spans where traces are asked for; elsewhere it does nothing, and loads nothing.

Traces are asked for by OpenTelemetry's own variables, such as ``OTEL_EXPORTER_OTLP_ENDPOINT``, and
need the extra ``tracing``.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self

import structlog

from services.core.errors import ServiceError
from services.telemetry.propagation import TraceContext, current_trace, in_trace
from services.telemetry.settings import TracingSettings
from services.telemetry.tracing import Attribute, Attributes, SpanType

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

_log = structlog.get_logger()

_NOTHING: Attributes = {}
_SUPPORTED_PROTOCOL = "grpc"


class OpenSpan(Protocol):
    """A span that has begun. As a context manager it ends with its block, and says how."""

    @property
    def trace(self) -> TraceContext | None:
        """Its place in its trace; None where nothing is recorded."""

    def set(self, attributes: Attributes) -> None:
        """Adds attributes."""

    def fail(self, error_type: str) -> None:
        """Says that it ends with an error, by the error's name and nothing else of it."""

    def end(self) -> None:
        """Ends it; once."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class SpanRecorder(Protocol):
    """What records spans and sends them somewhere."""

    def start(
        self,
        span_type: SpanType,
        name: str,
        attributes: Attributes,
        parent: TraceContext | None,
        links: Sequence[TraceContext],
    ) -> OpenSpan:
        """Begins a span."""

    def stop(self) -> None:
        """Sends what is left, for a bounded time, and records nothing more."""


class _NoSpan:
    """What is recorded where nothing is."""

    __slots__ = ()
    trace = None

    def set(self, attributes: Attributes) -> None: ...

    def fail(self, error_type: str) -> None: ...

    def end(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


NO_SPAN: OpenSpan = _NoSpan()


class _State:
    """The process' recorder; there is one, as there is one log."""

    recorder: SpanRecorder | None = None


def is_tracing() -> bool:
    """Whether spans are recorded, so that it is worth finding out what to say of them."""
    return _State.recorder is not None


def start(
    span_type: SpanType,
    attributes: Attributes = _NOTHING,
    *,
    name: str = "",
    parent: TraceContext | None = None,
    links: Sequence[TraceContext] = (),
) -> OpenSpan:
    """Begins a span, which must be ended; what happens meanwhile does not become part of it.

    Args:
        span_type: What it is.
        attributes: What is known of it.
        name: What it is about, after the type's own name.
        parent: What it is a part of; by default what the present work is.
        links: Other spans that have to do with it.
    """
    recorder = _State.recorder
    if recorder is None:
        return NO_SPAN
    full_name = f"{span_type.name} {name}".strip()
    return recorder.start(span_type, full_name, attributes, parent or current_trace(), links)


def span(
    span_type: SpanType,
    attributes: Attributes = _NOTHING,
    *,
    name: str = "",
    parent: TraceContext | None = None,
    links: Sequence[TraceContext] = (),
) -> AbstractContextManager[OpenSpan]:
    """Records a block as a span; what happens in the block is part of it. Not for generators.

    Arguments as those of :func:`start`.
    """
    if _State.recorder is None:
        return NO_SPAN
    return _Block(start(span_type, attributes, name=name, parent=parent, links=links))


class _Block:
    """A span that is the present work's for as long as a block lasts."""

    __slots__ = ("_inside", "_span")

    def __init__(self, opened: OpenSpan) -> None:
        self._span = opened
        self._inside = in_trace(opened.trace)

    def __enter__(self) -> OpenSpan:
        self._inside.__enter__()
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside.__exit__(None, None, None)
        self._span.__exit__(kind, error, trace)


def end_as(opened: OpenSpan, error: BaseException | None) -> None:
    """Ends a span with what ended its work: nothing, an error, or whoever had no more need of it.

    Of an error it keeps the name alone, since messages may quote what somebody sent.
    """
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        opened.set({Attribute.CANCELLED: True})
    elif isinstance(error, ServiceError):
        opened.fail(error.reason.value)
    elif error is not None:
        opened.fail(type(error).__name__)
    opened.end()


def start_tracing(program: str) -> None:
    """Begins to record where the environment asks for it; the log says why where it cannot.

    Args:
        program: Name of this program, such as ``expart-scoring``; ``OTEL_SERVICE_NAME`` wins.
    """
    settings = TracingSettings()
    if _State.recorder is not None or not settings.endpoint:
        return
    if settings.protocol != _SUPPORTED_PROTOCOL:
        cause = f"OTEL_EXPORTER_OTLP_PROTOCOL is {settings.protocol}; only grpc is supported"
        _log.warning("tracing_unavailable", cause=cause)
        return
    try:
        from services.telemetry.otlp import recorder_to_collector  # noqa: PLC0415 - only if wanted

        recorder = recorder_to_collector(program)
    except ImportError as error:
        cause = f"{error}; pip install 'expart-serving[tracing]' brings what is missing"
        _log.warning("tracing_unavailable", cause=cause)
        return
    except Exception as error:  # noqa: BLE001 - a wrong OTEL_ variable must not end the program
        _log.warning("tracing_unavailable", cause=f"{type(error).__name__}: {error}")
        return
    record_with(recorder)
    atexit.register(stop_tracing)
    _log.info("tracing_started", endpoint=settings.endpoint)


@contextmanager
def tracing(program: str) -> Iterator[None]:
    """Records what happens in the block, where the environment asks for it.

    Args:
        program: As for :func:`start_tracing`.
    """
    start_tracing(program)
    try:
        yield
    finally:
        stop_tracing()


def record_with(recorder: SpanRecorder) -> None:
    """Has a recorder record the spans of this process from now on."""
    _State.recorder = recorder


def stop_tracing() -> None:
    """Sends what is left, for a few seconds at most, and records nothing more; may be repeated."""
    recorder, _State.recorder = _State.recorder, None
    if recorder is not None:
        recorder.stop()
