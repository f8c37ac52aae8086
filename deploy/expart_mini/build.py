"""Builds the four files of ExpArt-mini from its artwork files.

Run `python -m deploy.expart_mini.build` in the repository root.
"""

import argparse
import json
import sys
import zlib
from pathlib import Path
from typing import Literal, TypedDict

from deploy.expart_mini.artwork_files import (
    Artwork,
    ArtworkFileError,
    Section,
    occurs,
    read_artworks,
)

FOLDER = Path(__file__).resolve().parent
FILE_NAMES = ("train.json", "dev.json", "test_seen.json", "test_unseen.json")

Setting = Literal["with_title", "without_title"]

# Each pair asks the same thing: first naming the title, then not.
INSTRUCTION_PAIRS = (
    (
        "Explain the {section} of this artwork, {title}.",
        "Explain the {section} of this artwork.",
    ),
    (
        "This artwork is titled {title}. Tell me about its {section}.",
        "Look at this artwork. Tell me about its {section}.",
    ),
    (
        "What is known about the {section} of {title}, the artwork in this picture?",
        "What is known about the {section} of the artwork in this picture?",
    ),
    (
        "Write a short text about {title}, shown here, that deals with its {section}.",
        "Write a short text about the artwork shown here that deals with its {section}.",
    ),
    (
        "The picture shows {title}. Describe what matters about the work's {section}.",
        "The picture shows an artwork. Describe what matters about the work's {section}.",
    ),
    (
        "As a museum guide, explain the {section} of {title} to a visitor.",
        "As a museum guide, explain the {section} of this artwork to a visitor.",
    ),
)


# "from" is a Python keyword, so the turn can only be declared in call form.
Turn = TypedDict("Turn", {"from": str, "value": str})


class Record(TypedDict):
    """One row of a file: one question in one setting."""

    id: str
    question_id: str
    setting: Setting
    title: str
    artist: str
    year: str
    section: str
    image: str
    conversations: list[Turn]
    entities: list[str]


def question_id(artwork: Artwork, section: Section) -> str:
    """Names the question that both settings share."""
    return f"{artwork.slug}_{section.heading.lower().replace(' ', '-')}"


def instruction(artwork: Artwork, section: Section, setting: Setting) -> str:
    """Words the question; the pair depends on the question id only, never on the setting."""
    # CRC-32 rather than hash(): the latter changes from one Python process to the next.
    number = zlib.crc32(question_id(artwork, section).encode("utf-8"))
    with_title, without_title = INSTRUCTION_PAIRS[number % len(INSTRUCTION_PAIRS)]
    template = with_title if setting == "with_title" else without_title
    text = template.format(section=section.heading.lower(), title=artwork.title)
    if setting == "without_title":
        for name in (artwork.title, artwork.artist):
            if occurs(name.lower(), text.lower()):
                raise ArtworkFileError(f"{artwork.slug}: the instruction {text!r} names {name!r}")
    return text


def build_record(artwork: Artwork, section: Section, setting: Setting) -> Record:
    """Makes the row of one question in one setting."""
    asked = instruction(artwork, section, setting)
    return {
        "id": f"{question_id(artwork, section)}_{setting}",
        "question_id": question_id(artwork, section),
        "setting": setting,
        "title": artwork.title,
        "artist": artwork.artist,
        "year": artwork.year,
        "section": section.heading,
        "image": f"images/{artwork.slug}.png",
        "conversations": [
            {"from": "human", "value": f"<image>\n{asked}"},
            {"from": "gpt", "value": section.text},
        ],
        "entities": list(section.entities),
    }


def file_of(artwork: Artwork, section: Section) -> str:
    """Names the file that a question belongs to."""
    if artwork.split == "dev":
        return "dev.json"
    if artwork.split == "unseen":
        return "test_unseen.json"
    return "test_seen.json" if section.heading == artwork.seen_section else "train.json"


def render_files(artworks: list[Artwork]) -> dict[str, str]:
    """Renders the text of the four files, in the artworks' order."""
    records: dict[str, list[Record]] = {name: [] for name in FILE_NAMES}
    for artwork in artworks:
        for section in artwork.sections:
            rows = records[file_of(artwork, section)]
            rows.append(build_record(artwork, section, "with_title"))
            rows.append(build_record(artwork, section, "without_title"))
    return {
        name: json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
        for name, rows in records.items()
    }


def check_images(artworks: list[Artwork], folder: Path) -> None:
    """Raises ArtworkFileError where an artwork has no picture in the folder."""
    missing = [
        artwork.slug for artwork in artworks if not (folder / f"{artwork.slug}.png").is_file()
    ]
    if missing:
        raise ArtworkFileError(f"{folder}: no picture for {', '.join(missing)}; draw them first")


def main() -> int:
    """Builds the files next to this module; returns the exit status."""
    parser = argparse.ArgumentParser(description="Build the four files of ExpArt-mini.")
    parser.add_argument(
        "--without-images", action="store_true", help="do not ask that every picture be drawn"
    )
    arguments = parser.parse_args()
    try:
        artworks = read_artworks(FOLDER / "artworks")
        if not arguments.without_images:
            check_images(artworks, FOLDER / "images")
        files = render_files(artworks)
    except ArtworkFileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, text in files.items():
        (FOLDER / name).write_bytes(text.encode("utf-8"))
        print(f"{name}: {len(json.loads(text))} records")
    return 0


if __name__ == "__main__":
    sys.exit(main())
