"""Files that are being downloaded, and what it takes to go on with them later."""

import hashlib
import json
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2


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

    def request_headers(self, url: str) -> dict[str, str]:
        """Asks for the rest only, if what is there came from this very URL and can be named."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        match note:
            case {"url": str(known), "validator": str(validator)} if known == url and self.size:
                return {"Range": f"bytes={self.size}-", "If-Range": validator}
        return {}

    def begin(self, url: str, headers: httpx2.Headers) -> None:
        """Starts anew, and notes by what the server will know this content again."""
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        validator = _validator(headers)
        if validator:
            note = json.dumps({"url": url, "validator": validator})
            self._note.write_text(note, encoding="utf-8")

    def discard(self) -> None:
        """Forgets what is there."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _validator(headers: httpx2.Headers) -> str:
    """Gives what names the content byte for byte: RFC 9110, 8.8 and 13.1.5."""
    tag = headers.get("ETag", "")
    if tag.startswith('"'):  # a weak one begins with W/
        return tag
    try:
        changed = parsedate_to_datetime(headers.get("Last-Modified", ""))
        answered = parsedate_to_datetime(headers.get("Date", ""))
        if answered.astimezone(UTC) - changed.astimezone(UTC) >= timedelta(minutes=1):
            return headers["Last-Modified"]
    except (ValueError, TypeError):
        return ""
    return ""
