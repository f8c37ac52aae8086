"""The layout of a prepared dataset folder, and how to find a record's picture in it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

IMAGES_FILE = "images.jsonl"
DEAD_LINKS_FILE = "dead_links.jsonl"
MANIFEST_FILE = "dataset.json"
MAPPING_FILE = "mapping.yaml"
IMAGE_FOLDER = "images"


@dataclass(frozen=True, slots=True)
class HeldImage:
    """One picture of a prepared folder.

    Attributes:
        image: What records call it: an http(s) URL, or a path.
        digest: ``sha256:…`` of the file's bytes.
        file: The file, relative to the folder and named by its digest.
        byte_count: The file's size.
        modified_ns: When the file was last modified, in nanoseconds as its disk counts them; None
            where that was not noted.
    """

    image: str
    digest: str
    file: str
    byte_count: int
    modified_ns: int | None = None


def read_lines(file: Path) -> Iterator[dict[str, object]]:
    """Reads a file of JSON objects, one a line; a last line that was cut off is left out."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                # The torn line of a killed run, to which a later run added a line's end.
                continue
            if isinstance(row, dict):
                yield cast("dict[str, object]", row)


def read_held_images(folder: Path) -> dict[str, HeldImage]:
    """Reads which pictures a prepared folder holds, by what records call them."""
    held: dict[str, HeldImage] = {}
    for row in read_lines(folder / IMAGES_FILE):
        match row:
            case {
                "image": str(image),
                "digest": str(digest),
                "file": str(file),
                "bytes": int(byte_count),
            }:
                modified_ns = row.get("mtime_ns")
                known = modified_ns if isinstance(modified_ns, int) else None
                held[image] = HeldImage(image, digest, file, byte_count, known)
    return held


@dataclass(frozen=True, slots=True)
class DeadImage:
    """One picture that a prepared folder lacks.

    Attributes:
        reason: Why, in one word that is always the same, such as ``NOT_FOUND``.
        detail: Why, in one line.
        again: Whether preparing the folder again may bring it.
    """

    reason: str
    detail: str
    again: bool


def read_dead_images(folder: Path) -> dict[str, DeadImage]:
    """Reads which pictures a prepared folder could not get, by what records call them."""
    dead: dict[str, DeadImage] = {}
    for row in read_lines(folder / DEAD_LINKS_FILE):
        match row:
            case {
                "image": str(image),
                "reason": str(reason),
                "detail": str(detail),
                "retry": bool(again),
            }:
                dead[image] = DeadImage(reason, detail, again)
    return dead


def dataset_revision(folder: Path) -> str:
    """Says where a prepared folder's files come from: ``owner/name@commit``; empty if unknown."""
    file = folder / MANIFEST_FILE
    if not file.is_file():
        return ""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return ""
    match manifest:
        case {"source": {"repository": str(repository), "revision": str(revision)}}:
            return f"{repository}@{revision}"
    return ""
