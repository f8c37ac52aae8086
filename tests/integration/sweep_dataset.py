"""Datasets of as many questions as are wanted, with ExpArt-mini's pictures and texts."""

import json
import shutil
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

MINI = Path(__file__).parents[2] / "deploy" / "expart_mini"
SETTINGS = ("with_title", "without_title")
SECTIONS = ("Composition", "Description", "History", "Legacy", "Technique")
QUESTIONS_AN_ARTWORK = len(SECTIONS) * len(SETTINGS)

# Of a PNG: its signature and the chunk IHDR, after which other chunks may stand.
_HEADER_BYTES = 33


def write_dataset(folder: Path, questions: int) -> None:
    """Writes a dataset of one split; every artwork has a picture with a digest of its own.

    Args:
        folder: Is made.
        questions: How many, each setting counted; a multiple of ``QUESTIONS_AN_ARTWORK``.
    """
    artworks, rest = divmod(questions, QUESTIONS_AN_ARTWORK)
    assert not rest, f"no multiple of {QUESTIONS_AN_ARTWORK}: {questions}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    pictures = [file.read_bytes() for file in sorted((MINI / "images").glob("*.png"))]
    known = json.loads((MINI / "test_seen.json").read_text(encoding="utf-8"))
    with (folder / "test_seen.jsonl").open("w", encoding="utf-8") as file:
        for number in range(artworks):
            picture = _marked(pictures[number % len(pictures)], number)
            (folder / "images" / f"{number}.png").write_bytes(picture)
            for record in _records(number, known):
                file.write(json.dumps(record) + "\n")


def questions_of(models: Sequence[str], questions: int) -> set[tuple[str, str, str]]:
    """Model, id and setting of everything that a sweep over such a dataset asks."""
    return {
        (model, f"study-{number}_{section.lower()}_{setting}", setting)
        for model in models
        for number in range(questions // QUESTIONS_AN_ARTWORK)
        for section in SECTIONS
        for setting in SETTINGS
    }


def _records(number: int, known: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    title = f"Study {number}"
    for at, section in enumerate(SECTIONS):
        source = known[(number * len(SECTIONS) + at) % len(known)]
        conversation = source["conversations"]
        assert isinstance(conversation, list)
        for setting in SETTINGS:
            name = title if setting == "with_title" else "this artwork"
            yield {
                "id": f"study-{number}_{section.lower()}_{setting}",
                "question_id": f"study-{number}_{section.lower()}",
                "setting": setting,
                "title": title,
                "section": section,
                "image": f"images/{number}.png",
                "conversations": [
                    {"from": "human", "value": f"<image>\nExplain the {section} of {name}."},
                    {"from": "gpt", "value": f"{title}. {conversation[1]['value']}"},
                ],
                "entities": source["entities"],
            }


def _marked(picture: bytes, number: int) -> bytes:
    """Adds a comment to a PNG, which changes its digest and not a pixel."""
    content = b"tEXt" + f"Comment\0Study {number}".encode()
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return picture[:_HEADER_BYTES] + chunk + picture[_HEADER_BYTES:]
