"""Shows models while they load: a live line each on a terminal, plain lines elsewhere."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from services.generation.domain import ModelState
from services.generation.local import LoadingProgress


class LoadingDisplay:
    """Shows how far the models are; a context manager.

    Args:
        models: Names of the models that are going to load.
        console: Where to show it.
    """

    def __init__(self, models: Sequence[str], console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {
            model: self._progress.add_task(f"starting {model}", total=1) for model in models
        }

    def update(self, step: LoadingProgress) -> None:
        """Takes a step of starting."""
        if not step.model:
            return
        ready = step.state is ModelState.READY
        text = f"{step.model} is ready" if ready else f"loading {step.model}"
        self._progress.update(
            self._tasks[step.model], description=text, completed=1 if ready else 0
        )
        if not self._console.is_terminal:
            self._console.print(f"{text} ({step.elapsed_s:.0f} s)")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
