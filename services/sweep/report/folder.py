"""The folder that a report stands in: replaced as a whole, or left as it is."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from services.core.errors import StorageError, UserInputError
from services.sweep.results.store_faults import is_disk_fault

PAGE = "report.html"
DATA_FOLDER = "report_data"
ENTITIES = "entities.csv"

# Whatever a report may consist of, in the order in which it is put in place: the page comes last,
# so that it never stands beside data that are not its own for longer than a few renamings take.
REPORT_FILES = (
    DATA_FOLDER,
    "leaderboard.csv",
    "leaderboard.json",
    "leaderboard.md",
    "leaderboard.tex",
    "comparisons.csv",
    ENTITIES,
    PAGE,
)
COMPARISON_FILES = ("comparison.json", "comparison.md")


class NewFiles:
    """Files in the making, beside where they will stand.

    Args:
        folder: Where they are for now.
        names: What there may be in it.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = names

    def write(self, name: str, text: str) -> None:
        """Writes a file.

        Args:
            name: Its path in the folder; it begins with one of the names.
            text: What stands in it.

        Raises:
            UserInputError: It cannot be written.
            ValueError: It does not.
        """
        if name.partition("/")[0] not in self._names:
            raise ValueError(f"there is to be no file {name}")
        file = self._folder / name
        with _writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def replacing_files(folder: Path, names: Sequence[str]) -> Iterator[NewFiles]:
    """Replaces what a folder has of some names by what the body writes; other files there stay.

    Nothing changes there unless the body ends well.

    Args:
        folder: Where the files are to stand; it is made where it does not exist.
        names: The names; those that are not written are taken away. They are put in place in this
            order.

    Raises:
        UserInputError: The folder cannot be written.
    """
    is_new = not folder.exists()
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=".report-", dir=folder)
    try:
        with made as beside:
            new = Path(beside)
            yield NewFiles(new, names)
            with _writing(folder):
                _put_in_place(new, folder, names)
    except BaseException:
        if is_new:
            with suppress(OSError):  # somebody else may have put something there
                folder.rmdir()
        raise


def _put_in_place(new: Path, folder: Path, names: Sequence[str]) -> None:
    old = new / "old"
    old.mkdir()
    for name in names:
        made, before = new / name, folder / name
        # A folder cannot be renamed onto one that holds something.
        if before.exists() and (before.is_dir() or not made.exists()):
            before.replace(old / name)
        if made.exists():
            made.replace(before)


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = StorageError if is_disk_fault(error) else UserInputError
        where = error.filename or place
        raise kind(f"{where}: cannot be written: {error.strerror or error}") from error
