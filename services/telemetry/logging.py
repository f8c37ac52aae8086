"""Structured logs: one event a line, past-tense names, fields instead of prose."""

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TextIO

import structlog

from services.telemetry.propagation import current_trace

# Names and messages are shorter. What is longer quotes what somebody sent.
MAX_FIELD_CHARS = 2000
MAX_TRACEBACK_CHARS = 20_000
# Longest request id and longest name of a model that a log event has.
MAX_NAME_CHARS = 128

_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


def configure_logging(
    *,
    json: bool,
    level: str = "INFO",
    stream: TextIO | None = None,
    fields: Mapping[str, str] = _NO_FIELDS,
) -> None:
    """Sets up structlog for this process. Called once, by a program's entry point.

    Beside its own fields an event has those of the process, those of the call that it happened in
    (``request_id``, ``model``, ``sweep``) and, where one is known, ``trace_id`` and ``span_id``.

    What the stream does not take, because a disk is full or nobody reads it any more, is lost; the
    program goes on.

    Args:
        json: One JSON object a line, for machines; otherwise aligned text for people.
        level: Least severe level that is written, a name of the logging module.
        stream: Where to write; standard error by default.
        fields: What every event of this process says, such as the name of the program.
    """
    of_process = dict(fields)

    def add_fields(
        logger: object, method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        del logger, method
        trace = current_trace()
        if trace is not None:
            event = {"trace_id": trace.trace_id, "span_id": trace.span_id, **event}
        return {**of_process, **event} if of_process else event

    # Plain tracebacks: the rich ones print local variables, and with them prompts and images.
    renderers: list[structlog.typing.Processor] = (
        [
            structlog.processors.format_exc_info,
            _bound_fields,
            structlog.processors.JSONRenderer(),
        ]
        if json
        else [
            structlog.dev.ConsoleRenderer(
                colors=(stream or sys.stderr).isatty(),
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_fields,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=lambda *_: _SteadyLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def bind_request(request_id: str, model: str) -> None:
    """Has what the current task logs from now on name a request and its model."""
    named = {"request_id": request_id[:MAX_NAME_CHARS], "model": model[:MAX_NAME_CHARS]}
    structlog.contextvars.bind_contextvars(**{name: text for name, text in named.items() if text})


def _bound_fields(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Cuts what is too long for a log."""
    del logger, method
    for name, value in event.items():
        most = MAX_TRACEBACK_CHARS if name == "exception" else MAX_FIELD_CHARS
        if isinstance(value, str) and len(value) > most:
            event[name] = f"{value[:most]}… ({len(value)} characters)"
    return event


class _SteadyLogger(structlog.WriteLogger):
    """Writes what the stream takes: what is logged matters less than what it is logged of.

    Without ``print``, of which Ray Serve makes another function.
    """

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg
