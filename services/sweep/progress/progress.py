"""What a sweep tells whoever watches: counts a model, and now and then a remark."""

from collections.abc import Sequence
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from services.sweep.progress.snapshot import ModelProgress, SweepSnapshot
from services.sweep.progress.table import clock, progress_table

# Drawing takes a few milliseconds of the event loop that the questions go through.
_REDRAW_S = 0.4


class SweepProgress(Protocol):
    """Watches a sweep. Called from the sweep's event loop: must return at once."""

    def update(self, snapshot: SweepSnapshot) -> None:
        """Takes the present counts; called after every commit and when questions start."""
        ...

    def note(self, message: str) -> None:
        """Takes a remark for people, such as that a model was set aside."""
        ...


class SilentProgress:
    """Watches and says nothing."""

    def update(self, snapshot: SweepSnapshot) -> None:
        """Ignores the counts."""

    def note(self, message: str) -> None:
        """Ignores the remark."""


class ManyWatchers:
    """Passes everything on to several watchers.

    Args:
        watchers: Those who watch.
    """

    def __init__(self, watchers: Sequence[SweepProgress]) -> None:
        self._watchers = watchers

    def update(self, snapshot: SweepSnapshot) -> None:
        """Passes the counts on."""
        for watcher in self._watchers:
            watcher.update(snapshot)

    def note(self, message: str) -> None:
        """Passes the remark on."""
        for watcher in self._watchers:
            watcher.note(message)


class TerminalProgress:
    """Shows a table with a bar for each model, redrawn in place.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._last: SweepSnapshot | None = None
        self._drawn_s: float | None = None

    def __enter__(self) -> Self:
        """Begins to draw."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the last state on the screen."""
        if self._last is not None:
            self._draw(self._last)
        self._live.stop()

    def update(self, snapshot: SweepSnapshot) -> None:
        """Redraws the table, unless that was only just done."""
        self._last = snapshot
        if self._drawn_s is None or not 0 <= snapshot.elapsed_s - self._drawn_s < _REDRAW_S:
            self._draw(snapshot)

    def note(self, message: str) -> None:
        """Prints a remark above the table."""
        self._console.print(message, style="yellow", markup=False, highlight=False)

    def _draw(self, snapshot: SweepSnapshot) -> None:
        self._drawn_s = snapshot.elapsed_s
        self._live.update(progress_table(snapshot, self._console.width), refresh=True)


class LineProgress:
    """Prints a line now and then, for logs and pipes.

    Args:
        console: Where to print.
        interval_s: Least time between two lines, in seconds.
    """

    def __init__(self, console: Console, interval_s: float = 10.0) -> None:
        self._console = console
        self._interval_s = interval_s
        self._printed_s: float | None = None
        self._last: SweepSnapshot | None = None

    def __enter__(self) -> Self:
        """Begins."""
        return self

    def __exit__(self, *_: object) -> None:
        """Prints the last state, if the last line was an earlier one."""
        if self._last is not None and self._last.elapsed_s != self._printed_s:
            self._print(self._last)

    def update(self, snapshot: SweepSnapshot) -> None:
        """Prints a line if the last one is old enough."""
        self._last = snapshot
        if self._printed_s is None or snapshot.elapsed_s - self._printed_s >= self._interval_s:
            self._print(snapshot)

    def note(self, message: str) -> None:
        """Prints a remark."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def _print(self, snapshot: SweepSnapshot) -> None:
        self._printed_s = snapshot.elapsed_s
        models = "; ".join(f"{model.label} {_counts(model)}" for model in snapshot.models)
        self.note(f"sweep: {snapshot.settled}/{snapshot.planned} {_pace(snapshot)}; {models}")


def console_progress(console: Console) -> TerminalProgress | LineProgress:
    """Picks the display that suits a console; use it as a context manager."""
    return TerminalProgress(console) if console.is_terminal else LineProgress(console)


def _counts(model: ModelProgress) -> str:
    failed = f", {model.failed} failed" if model.failed else ""
    aside = ", set aside" if model.set_aside else ""
    retries = sum(model.retries.values())
    again = f", {retries} retries" if retries else ""
    most = f" of {model.concurrency}" if model.concurrency else ""
    return (
        f"{model.done + model.failed}/{model.planned}{failed}{aside}{again}, "
        f"{model.in_flight}{most} in flight"
    )


def _pace(snapshot: SweepSnapshot) -> str:
    remaining = snapshot.remaining_s
    eta = f", {clock(remaining)} left" if remaining else ""
    tokens = f", {snapshot.tokens_per_s:.0f} tokens/s" if snapshot.tokens_per_s else ""
    rate = snapshot.recent_rate_per_s or snapshot.rate_per_s
    return f"{snapshot.scored} scored, {rate:.2f}/s{tokens}{eta}"
