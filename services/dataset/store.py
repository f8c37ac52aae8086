"""Keeps what became of every picture: each line is durable as soon as it is written."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.benchmark.prepared import (
    DEAD_LINKS_FILE,
    IMAGE_FOLDER,
    IMAGES_FILE,
    HeldImage,
    read_held_images,
    read_lines,
)
from services.dataset.failures import PictureError
from services.dataset.partial import PartialFile
from services.dataset.pictures import Picture

_PARTIAL_FOLDER = ".partial"


@dataclass(frozen=True, slots=True)
class DeadLink:
    """A picture that could not be had.

    Attributes:
        image: What records call it.
        reason: A value of :class:`~services.dataset.failures.Reason`.
        again: Whether it is worth trying again.
        attempts: Times that it was asked for; none where its host had been given up.
        limit: What it was refused by, if that was a limit of ours.
    """

    image: str
    reason: str
    again: bool
    attempts: int = 0
    limit: str = ""

    @classmethod
    def read(cls, row: Mapping[str, object]) -> "DeadLink | None":
        """Reads a line of the list; nothing if it makes no sense."""
        match row:
            case {"image": str(image), "reason": str(reason), "retry": bool(again)}:
                attempts = row.get("attempts")
                asked = attempts if isinstance(attempts, int) else 0
                return cls(image, reason, again, asked, str(row.get("limit", "")))
        return None


class PictureFolder:
    """The pictures of a prepared folder, and the lists of those held and of dead links.

    Args:
        folder: The prepared folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / IMAGE_FOLDER).mkdir(parents=True, exist_ok=True)
        self.held: dict[str, HeldImage] = {
            image: held
            for image, held in read_held_images(folder).items()
            if self._is_whole(held.file, held.byte_count)
        }
        self.dead: dict[str, DeadLink] = {}
        for row in read_lines(folder / DEAD_LINKS_FILE):
            dead = DeadLink.read(row)
            if dead is not None:
                self.dead[dead.image] = dead
        for image in self.held:
            self.dead.pop(image, None)

    def partial(self, image: str) -> PartialFile:
        """Gives the beginning of a picture, which may be empty."""
        return PartialFile(self._folder / IMAGE_FOLDER / _PARTIAL_FOLDER, image)

    def keep(self, image: str, source: Path, picture: Picture, came_from: str) -> None:
        """Moves a checked file to its place and notes it."""
        place = self._folder / picture.file
        place.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as stream:
            os.fsync(stream.fileno())
        source.replace(place)
        modified_ns = place.stat().st_mtime_ns
        self._append(
            IMAGES_FILE,
            {
                "image": image,
                "digest": picture.digest,
                "file": picture.file,
                "bytes": picture.byte_count,
                "mtime_ns": modified_ns,
                "width": picture.width,
                "height": picture.height,
                "came_from": came_from,
                "at": now(),
            },
        )
        self.held[image] = HeldImage(
            image, picture.digest, picture.file, picture.byte_count, modified_ns
        )
        self.dead.pop(image, None)

    def bury(self, image: str, error: PictureError, attempts: int, limit: str = "") -> None:
        """Notes why a picture cannot be had, and by which limit it was refused, if by one."""
        self._append(
            DEAD_LINKS_FILE,
            {
                "image": image,
                "reason": error.reason.value,
                "detail": error.detail,
                "retry": error.again,
                "attempts": attempts,
                **({"limit": limit} if limit else {}),
                "at": now(),
            },
        )
        self.dead[image] = DeadLink(image, error.reason.value, error.again, attempts, limit)
        self.held.pop(image, None)  # an exchanged one, no good any more

    def tidy(self) -> None:
        """Leaves one line a picture: the last one, and none of a dead link that came alive."""
        self._rewrite(IMAGES_FILE, self.held)
        self._rewrite(DEAD_LINKS_FILE, self.dead)

    def _is_whole(self, file: str, byte_count: int) -> bool:
        place = self._folder / file
        return place.is_file() and place.stat().st_size == byte_count

    def _append(self, name: str, row: dict[str, object]) -> None:
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        with (self._folder / name).open("a+b") as stream:
            if stream.tell() > 0:
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # a killed run tore its last line
                    line = b"\n" + line
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())

    def _rewrite(self, name: str, wanted: Mapping[str, object]) -> None:
        last = {row.get("image"): row for row in read_lines(self._folder / name)}
        rows = [last[image] for image in wanted if image in last]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_text(self._folder / name, text)


def write_text(file: Path, text: str) -> None:
    """Replaces a file's content in one step."""
    beside = file.with_name(f".{file.name}.new")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)


def now() -> str:
    """Writes down this moment."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
