"""What records call their pictures: URLs, paths, and whatever else strangers write there."""

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

# As urlsplit, which leaves out what stands before, but whatever follows.
_HTTP = re.compile(r"[\x00-\x20]*https?:", re.IGNORECASE)
# Of other kinds of URLs; a colon alone may well be part of a file's name.
_OTHER_URL = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)


def is_url(image: str) -> bool:
    """Whether a record's picture is to be downloaded; otherwise it is a path."""
    return _HTTP.match(image) is not None


def is_other_url(image: str) -> bool:
    """Whether it looks like a URL that is not http(s): ``ftp://…``, ``data:…``."""
    return not is_url(image) and _OTHER_URL.match(image) is not None


def read_url(text: str) -> SplitResult | None:
    """Takes a URL apart; nothing if it is none, such as ``http://[broken/a.png``."""
    try:
        return urlsplit(text)
    except ValueError:
        return None


def is_inside(file: Path, root: Path) -> bool:
    """Whether a path, its links followed, stays in a folder; one that cannot be followed does not.

    Args:
        file: The path, which may be none at all: too long, with NUL, or a circle of links.
        root: The folder, resolved.
    """
    try:
        return file.resolve().is_relative_to(root)
    except (OSError, ValueError, RuntimeError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is such a file; of what can be no path at all, such as a long text, no."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
