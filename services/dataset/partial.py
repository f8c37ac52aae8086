"""Files that are being downloaded, and what it takes to go on with them later."""

import hashlib
import json
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast

import httpx2

# What names content, the best first: servers that share their work may differ in the second.
_NAMES = ("ETag", "Last-Modified")


class PartialFile:
    """The beginning of a picture on disk.

    Args:
        folder: Where beginnings are kept.
        image: The URL that records name.
    """

    def __init__(self, folder: Path, image: str) -> None:
        name = hashlib.sha256(image.encode()).hexdigest()
        self.path = folder / name
        self._note = folder / f"{name}.json"

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def total(self) -> int | None:
        """Bytes that there are in all, where the server said so when it began."""
        total = self._noted().get("total")
        return total if isinstance(total, int) else None

    def request_headers(self, url: str) -> dict[str, str]:
        """Asks for the rest only, if what is there came from this very URL and can be named."""
        match self._noted():
            case {"url": str(known), "validator": str(validator)} if (
                known == url and validator.isascii() and self.size
            ):
                return {"Range": f"bytes={self.size}-", "If-Range": validator}
        return {}

    def begin(self, url: str, headers: httpx2.Headers, total: int | None) -> None:
        """Starts anew, and notes by what the server will know this content again."""
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        validator = _validator(headers)
        if validator:
            names = {name: headers.get(name, "") for name in _NAMES}
            note = {"url": url, "validator": validator, "total": total, **names}
            self._note.write_text(json.dumps(note), encoding="utf-8")

    def is_continued_by(self, headers: httpx2.Headers, total: int | None) -> bool:
        """Whether the rest comes of the same content, as far as the server tells.

        A server that does not heed ``If-Range`` sends the rest of whatever is there now.
        """
        noted = self._noted()
        if total is not None and noted.get("total") not in {None, total}:
            return False
        for name in _NAMES:
            if noted.get(name) and headers.get(name):
                return noted[name] == headers[name]
        return True

    def _noted(self) -> dict[str, object]:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return cast("dict[str, object]", note) if isinstance(note, dict) else {}

    def discard(self) -> None:
        """Forgets what is there."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _validator(headers: httpx2.Headers) -> str:
    """Gives what names the content byte for byte: RFC 9110, 8.8 and 13.1.5."""
    tag = headers.get("ETag", "")
    # A weak one begins with W/; one that is no ASCII cannot be sent back.
    if tag.startswith('"') and tag.isascii():
        return tag
    try:
        changed = parsedate_to_datetime(headers.get("Last-Modified", ""))
        answered = parsedate_to_datetime(headers.get("Date", ""))
        if answered.astimezone(UTC) - changed.astimezone(UTC) >= timedelta(minutes=1):
            return headers["Last-Modified"]
    except (ValueError, TypeError, OverflowError):
        return ""
    return ""
