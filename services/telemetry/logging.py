"""Structured logs: one event a line, past-tense names, fields instead of prose."""

import logging
import sys
from contextlib import suppress
from typing import TextIO

import structlog


def configure_logging(*, json: bool, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Sets up structlog for this process. Called once, by a program's entry point.

    What the stream does not take, because a disk is full or nobody reads it any more, is lost; the
    program goes on.

    Args:
        json: One JSON object a line, for machines; otherwise aligned text for people.
        level: Least severe level that is written, a name of the logging module.
        stream: Where to write; standard error by default.
    """
    # Plain tracebacks: the rich ones print local variables, and with them prompts and images.
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
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
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=lambda *_: _SteadyLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


class _SteadyLogger(structlog.PrintLogger):
    """Writes what the stream takes: what is logged matters less than what it is logged of."""

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg
