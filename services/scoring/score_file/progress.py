"""Shows how far the scoring of a file is: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

_LINE_INTERVAL_S = 10.0
_REDRAW_INTERVAL_S = 0.1


class ScoringProgress:
    """Takes counts and remarks; a context manager.

    Args:
        console: Where to show them; standard error, so that the result stays alone on standard
            output.
        clock: Seconds since some moment.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._interval_s = _REDRAW_INTERVAL_S if console.is_terminal else _LINE_INTERVAL_S
        self._started_s = self._shown_s = clock()
        self._bar = Progress(
            TextColumn("scoring"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[counts]}", justify="right"),
            console=console,
            expand=True,
            auto_refresh=False,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, counts="")

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started_s

    def update(self, scored: int, skipped: int, fraction: float | None) -> None:
        """Takes the present state; cheap, to be called for every row.

        Args:
            scored: Rows that have scores.
            skipped: Broken rows.
            fraction: How much of the file they are, 0-1; None where its size is unknown.
        """
        now_s = self._clock()
        if now_s - self._shown_s < self._interval_s:
            return
        self._shown_s = now_s
        counts = self._describe(scored, skipped, fraction, now_s - self._started_s)
        if self._console.is_terminal:
            total = None if fraction is None else 1.0
            self._bar.update(self._task, completed=fraction or 0.0, total=total, counts=counts)
            self._bar.refresh()
        else:
            share = "" if fraction is None else f"{fraction:.0%}, "
            self.note(f"scoring: {share}{counts}")

    def note(self, message: str) -> None:
        """Prints a remark on a line of its own."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def _describe(self, scored: int, skipped: int, fraction: float | None, elapsed_s: float) -> str:
        parts = [f"{scored:,} scored"]
        if skipped:
            parts.append(f"{skipped:,} skipped")
        if elapsed_s > 0:
            parts.append(f"{(scored + skipped) / elapsed_s:,.0f}/s")
        if fraction:
            parts.append(f"{_clock_time(elapsed_s * (1 - fraction) / fraction)} left")
        return ", ".join(parts)


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
