"""Where a sweep's log events go, and with them its progress."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Self

import structlog
from rich.console import Console

from services.core.errors import UserInputError
from services.sweep.progress.progress import SweepProgress, console_progress
from services.sweep.progress.snapshot import SweepSnapshot
from services.sweep.progress.steady import SteadyDisplay
from services.telemetry.logging import configure_logging
from services.telemetry.propagation import in_sweep
from services.telemetry.tracer import tracing

_log = structlog.get_logger()

_PROGRAM = "expart-sweep"

# Often enough to see from the log alone that a sweep is alive.
_INTERVAL_S = 10.0


class LogFormat(StrEnum):
    """How log events are written."""

    JSON = "json"
    TEXT = "text"


@contextmanager
def logging_to(
    log_format: LogFormat | None, log_file: Path | None, log_folder: Path, sweep: str = ""
) -> Iterator[None]:
    """Sends log events where they are wanted; by default to a file, away from the display.

    Traces go where the environment says. Events, traces and calls name the sweep.

    Raises:
        UserInputError: The file cannot be written.
    """
    json = log_format is not LogFormat.TEXT
    before = structlog.get_config()
    fields = {"program": _PROGRAM, **({"sweep": sweep} if sweep else {})}
    if log_format is not None and log_file is None:
        configure_logging(json=json, stream=sys.stderr, fields=fields)
        with tracing(_PROGRAM), in_sweep(sweep):
            yield
        return
    file = log_file or log_folder / "sweep.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a", encoding="utf-8")
    except OSError as error:
        advice = "" if log_file else "; EXPART_CLI_LOG_FOLDER names another folder for logs"
        raise UserInputError(f"{file}: cannot be written: {error.strerror}{advice}") from error
    configure_logging(json=json, stream=stream, fields=fields)
    try:
        with tracing(_PROGRAM), in_sweep(sweep):
            yield
    finally:
        structlog.configure(**before)
        with suppress(OSError):  # a disk that is full has refused the last lines before
            stream.close()


def sweep_progress(
    log_format: LogFormat | None, log_file: Path | None, console: Console
) -> AbstractContextManager[SweepProgress]:
    """Picks what watches the sweep: the log where it takes the terminal, or else a display.

    Whether it can be shown makes no difference to the sweep.
    """
    if log_format is not None and log_file is None:
        return SteadyDisplay(LogProgress())
    return SteadyDisplay(console_progress(console))


class LogProgress:
    """Logs the progress now and then.

    Args:
        interval_s: Least time between two events, in seconds.
    """

    def __init__(self, interval_s: float = _INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._logged_s: float | None = None
        self._last: SweepSnapshot | None = None

    def __enter__(self) -> Self:
        """Begins."""
        return self

    def __exit__(self, *_: object) -> None:
        """Logs the last counts, if those that were logged last are earlier ones."""
        if self._last is not None and self._last.elapsed_s != self._logged_s:
            self._log(self._last)

    def update(self, snapshot: SweepSnapshot) -> None:
        """Logs the counts if the last time is long enough ago."""
        self._last = snapshot
        if self._logged_s is None or snapshot.elapsed_s - self._logged_s >= self._interval_s:
            self._log(snapshot)

    def note(self, message: str) -> None:
        """Logs a remark."""
        _log.warning("sweep_noted", message=message)

    def _log(self, snapshot: SweepSnapshot) -> None:
        self._logged_s = snapshot.elapsed_s
        _log.info(
            "sweep_progressed",
            settled=snapshot.settled,
            planned=snapshot.planned,
            failed=snapshot.failed,
            scored=snapshot.scored,
            rate_per_s=round(snapshot.rate_per_s, 3),
            remaining_s=snapshot.remaining_s,
        )
