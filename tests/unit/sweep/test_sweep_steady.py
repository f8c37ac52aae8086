"""A display that breaks, and what goes on behind it."""

import io
from typing import Self

import pytest
from rich.console import Console

from services.sweep.progress.progress import LineProgress
from services.sweep.progress.snapshot import ModelProgress, SweepSnapshot
from services.sweep.progress.steady import SteadyDisplay

SNAPSHOT = SweepSnapshot((ModelProgress("alpha", 10),), scored=0, elapsed_s=0.0, done_before=0)


class BreakingDisplay:
    """A display that breaks once it has taken so many calls, and stays broken."""

    def __init__(self, error: BaseException, sound: int) -> None:
        self.error = error
        self.sound = sound
        self.calls: list[str] = []

    def __enter__(self) -> Self:
        self._take("enter")
        return self

    def __exit__(self, *_: object) -> None:
        self._take("exit")

    def update(self, snapshot: SweepSnapshot) -> None:
        del snapshot
        self._take("update")

    def note(self, message: str) -> None:
        del message
        self._take("note")

    def _take(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) > self.sound:
            raise self.error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SystemExit(1)])
@pytest.mark.parametrize(
    ("sound", "calls"),
    [
        # It breaks at the call after the sound ones, is shown nothing more, and is let go of.
        (0, ["enter", "exit"]),
        (1, ["enter", "update", "exit"]),
        (2, ["enter", "update", "note", "exit"]),
        (3, ["enter", "update", "note", "update", "exit"]),
        (9, ["enter", "update", "note", "update", "note", "exit"]),
    ],
)
def test_what_is_shown_ends_where_the_display_breaks_and_nothing_else_does(
    error: BaseException, sound: int, calls: list[str]
) -> None:
    display = BreakingDisplay(error, sound)
    with SteadyDisplay(display) as steady:
        for _ in range(2):
            steady.update(SNAPSHOT)
            steady.note("beta is set aside")
    assert display.calls == calls


def test_how_the_work_itself_ended_is_not_hidden() -> None:
    broken = BreakingDisplay(OSError(5, "Input/output error"), sound=0)
    with pytest.raises(KeyboardInterrupt), SteadyDisplay(broken):
        raise KeyboardInterrupt


def test_what_is_wrong_with_the_display_itself_is_not_hidden() -> None:
    faulty = BreakingDisplay(ZeroDivisionError(), sound=1)
    with pytest.raises(ZeroDivisionError), SteadyDisplay(faulty) as steady:
        steady.update(SNAPSHOT)


class FullDisk(io.StringIO):
    """Takes nothing, and counts how often it was asked to."""

    refused = 0

    def write(self, text: str) -> int:
        del text
        self.refused += 1
        raise OSError(28, "No space left on device")


def test_lines_that_a_full_disk_does_not_take_end_nothing() -> None:
    full = FullDisk()
    with SteadyDisplay(LineProgress(Console(file=full), interval_s=0)) as steady:
        steady.update(SNAPSHOT)
        steady.note("beta is set aside")
    assert full.refused == 1
