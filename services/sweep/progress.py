"""What a sweep tells whoever watches: counts a model, and now and then a remark."""

from dataclasses import dataclass
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn


@dataclass(frozen=True, slots=True)
class ModelProgress:
    """How far one model's questions are.

    Attributes:
        label: How tables name the model.
        planned: Questions in all.
        done: Questions whose explanation is stored durably, earlier runs included.
        failed: Questions that failed, or have no picture.
        in_flight: Questions being asked now.
        generated_token_count: Tokens generated in this run.
        set_aside: Why the model is not asked any further in this run; empty otherwise.
    """

    label: str
    planned: int
    done: int = 0
    failed: int = 0
    in_flight: int = 0
    generated_token_count: int = 0
    set_aside: str = ""


@dataclass(frozen=True, slots=True)
class SweepSnapshot:
    """How far a sweep is.

    Attributes:
        models: One entry a model, in the order of the spec.
        scored: Questions whose scores are stored durably, earlier runs included.
        elapsed_s: Seconds since this run began to ask.
        done_before: Questions that were done or failed before this run began.
    """

    models: tuple[ModelProgress, ...]
    scored: int
    elapsed_s: float
    done_before: int

    @property
    def planned(self) -> int:
        """Questions in all."""
        return sum(model.planned for model in self.models)

    @property
    def settled(self) -> int:
        """Questions that are done or failed."""
        return sum(model.done + model.failed for model in self.models)

    @property
    def failed(self) -> int:
        """Questions that failed, or have no picture."""
        return sum(model.failed for model in self.models)

    @property
    def rate_per_s(self) -> float:
        """Questions settled a second in this run."""
        return (self.settled - self.done_before) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the end at this rate, or nothing while there is no rate."""
        rate = self.rate_per_s
        return (self.planned - self.settled) / rate if rate > 0 else None


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


class TerminalProgress:
    """Shows a bar for each model, redrawn in place.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[counts]}", justify="right"),
            console=console,
            expand=True,
            auto_refresh=False,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Begins to draw."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the last state on the screen."""
        self._bars.refresh()
        self._bars.stop()

    def update(self, snapshot: SweepSnapshot) -> None:
        """Redraws the bars."""
        for model in snapshot.models:
            task = self._tasks.get(model.label)
            if task is None:
                task = self._tasks[model.label] = self._bars.add_task(model.label, counts="")
            self._bars.update(
                task,
                total=model.planned,
                completed=model.done + model.failed,
                counts=_counts(model),
            )
        total = self._tasks.get("")
        if total is None:
            total = self._tasks[""] = self._bars.add_task("all", counts="")
        self._bars.update(
            total, total=snapshot.planned, completed=snapshot.settled, counts=_pace(snapshot)
        )
        self._bars.refresh()

    def note(self, message: str) -> None:
        """Prints a remark above the bars."""
        self._console.print(message, style="yellow", markup=False, highlight=False)


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
    return (
        f"{model.done + model.failed}/{model.planned}{failed}{aside}, {model.in_flight} in flight"
    )


def _pace(snapshot: SweepSnapshot) -> str:
    remaining = snapshot.remaining_s
    eta = f", {_clock(remaining)} left" if remaining else ""
    return f"{snapshot.scored} scored, {snapshot.rate_per_s:.2f}/s{eta}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
