"""Shows how far the pictures are."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.dataset.store import PictureFolder

_LINE_INTERVAL_S = 10.0


@contextmanager
def picture_progress(
    console: Console, folder: PictureFolder, total: int
) -> Iterator[Callable[[], None]]:
    """Draws a bar on a terminal, and prints a line now and then elsewhere.

    Gives what is to be called after each picture.
    """
    done = 0
    printed_s = time.monotonic()
    bar = Progress(
        TextColumn("pictures"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[dead]} dead"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=total, dead=len(folder.dead))

        def note() -> None:
            nonlocal done, printed_s
            done += 1
            bar.update(task, completed=done, dead=len(folder.dead))
            now_s = time.monotonic()
            if not console.is_terminal and now_s - printed_s >= _LINE_INTERVAL_S:
                printed_s = now_s
                console.print(f"pictures: {done}/{total}, {len(folder.dead)} dead links")

        yield note
