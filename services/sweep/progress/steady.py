"""Keeps a display that breaks from ending the work that it shows."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import structlog

from services.sweep.progress.progress import SweepProgress
from services.sweep.progress.snapshot import SweepSnapshot

_log = structlog.get_logger()


class Display(SweepProgress, Protocol):
    """Watches a sweep as long as it is entered."""

    def __enter__(self) -> Self:
        """Begins."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Shows the last state."""
        ...


class SteadyDisplay:
    """Passes everything on to a display until that breaks; from then on it shows nothing.

    A terminal that is closed, a pipe that nobody reads any more and a full disk under standard
    output say nothing about the sweep, which may be days into its work.

    Args:
        display: The display; not entered yet.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._is_broken = False

    def __enter__(self) -> Self:
        """Begins."""
        self._try(self._display.__enter__)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Shows the last state, and in any case lets go of the terminal."""
        self._try(lambda: self._display.__exit__(kind, error, trace))

    def update(self, snapshot: SweepSnapshot) -> None:
        """Shows the counts."""
        if not self._is_broken:
            self._try(lambda: self._display.update(snapshot))

    def note(self, message: str) -> None:
        """Shows the remark."""
        if not self._is_broken:
            self._try(lambda: self._display.note(message))

    def _try(self, show: Callable[[], object]) -> None:
        try:
            show()
        # Rich, where nobody reads its pipe any more, asks the program to exit.
        except (OSError, SystemExit) as error:
            if not self._is_broken:
                self._is_broken = True
                _log.warning("display_broke", error=str(error) or type(error).__name__)
