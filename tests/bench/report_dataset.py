"""A dataset as large as ExpArt's test, made up for benches of reports.

Its pictures are those of ExpArt-mini enlarged, each artwork's with a digest of its own.
"""

import io
import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from tests.bench.scoring_texts import EXPART_MINI, NAMES, make_text, new_words

# ExpArt's test has 5,227 questions about some 2,600 artworks, half of them not in training.
QUESTIONS = 5_227
_QUESTIONS_AN_ARTWORK = 2
_SPLITS = ("test_seen", "test_unseen")
_SECTIONS = ("Composition", "Description", "History", "Legacy", "Technique")

_WORDS = 90
_ENTITIES = 6
_NAMES = 15_000
_WITHOUT_ENTITIES_SHARE = 0.03
_PICTURE_PX = 1024


def write_dataset(folder: Path, questions: int) -> None:
    """Writes a dataset of so many questions, each of which is asked in both settings."""
    (folder / "images").mkdir(parents=True)
    rng = random.Random(3)
    pictures = _pictures()
    records: dict[str, list[dict[str, object]]] = {split: [] for split in _SPLITS}
    for number in range(questions):
        artwork = number // _QUESTIONS_AN_ARTWORK
        if number % _QUESTIONS_AN_ARTWORK == 0:
            picture = _marked(pictures[artwork % len(pictures)], artwork)
            (folder / "images" / f"{artwork}.jpg").write_bytes(picture)
        split = _SPLITS[artwork % len(_SPLITS)]
        records[split].append(_record(rng, number, artwork))
    for split, content in records.items():
        (folder / f"{split}.json").write_text(json.dumps(content), encoding="utf-8")


def answer_text(rng: random.Random, entities: Sequence[str], share: float) -> str:
    """A text that names about this share of the entities, and says other things."""
    known = [entity for entity in entities if rng.random() < share]
    return _text(rng, max(10, round(rng.gauss(_WORDS, 25))), known)


def _text(rng: random.Random, word_count: int, entities: Sequence[str]) -> str:
    """A text that names each of the entities once or twice."""
    sentences = make_text(rng, word_count, (), _vocabulary()).split(". ")
    for entity in entities:
        for _ in range(rng.choice((1, 1, 2))):
            place = rng.randrange(len(sentences))
            first, space, rest = sentences[place].partition(" ")
            sentences[place] = f"{first} {entity}{space}{rest}"
    return ". ".join(sentences)


def _record(rng: random.Random, number: int, artwork: int) -> dict[str, object]:
    names = _names()
    # Few names are in many references, and most in one or two.
    chosen = {names[int(len(names) * rng.random() ** 3)] for _ in range(_ENTITIES)}
    entities = [] if rng.random() < _WITHOUT_ENTITIES_SHARE else sorted(chosen)
    section = _SECTIONS[number % len(_SECTIONS)]
    title = f"Study {artwork}"
    return {
        "id": f"{number:05}",
        "title": title,
        "section": section,
        "image": f"images/{artwork}.jpg",
        "instruction_with_title": f"Explain the {section} of {title}.",
        "instruction_without_title": f"Explain the {section} of this artwork.",
        "reference": _text(rng, _WORDS, entities),
        "entities": entities,
    }


@cache
def _vocabulary() -> list[str]:
    """Words of which about every fifth text has one that is not ASCII."""
    words = new_words(3000)
    accented = [word.replace("e", "é", 1) for word in words[:1000] if "e" in word]
    return [*words, *accented[: len(words) // 400]]


@cache
def _names() -> list[str]:
    """Names of one to three words; those that recur most come first."""
    rng = random.Random(4)
    parts = [word.capitalize() for word in new_words(4000)[:4000]]
    made = dict.fromkeys(" ".join(rng.choices(parts, k=rng.randint(1, 3))) for _ in range(_NAMES))
    return [*NAMES, *made]


def _pictures() -> list[bytes]:
    found = []
    for file in sorted((EXPART_MINI / "images").glob("*.png")):
        with Image.open(file) as drawn:
            picture = drawn.convert("RGB")
        scale = _PICTURE_PX / max(picture.size)
        picture = picture.resize([max(1, round(side * scale)) for side in picture.size])
        # Paint and film have grain, and files of photographs are as large as that makes them.
        grain = Image.effect_noise(picture.size, 24).convert("RGB")
        stream = io.BytesIO()
        Image.blend(picture, grain, 0.15).save(stream, "JPEG", quality=80)
        found.append(stream.getvalue())
    return found


def _marked(picture: bytes, number: int) -> bytes:
    """Adds a comment to a JPEG, which changes its digest and not a pixel."""
    comment = f"Study {number}".encode()
    return picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + picture[2:]
