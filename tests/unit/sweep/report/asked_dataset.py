"""A small dataset of one's own questions, for tests that count what answers to them name."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.unit.sweep.report.reported_sweep import MINI


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, asked in both settings."""

    id: str
    reference: str
    entities: tuple[str, ...]


def write_questions(folder: Path, questions: Sequence[Asked]) -> Path:
    """Writes a dataset of one split, all its questions about artworks of their own."""
    (folder / "images").mkdir(parents=True)
    picture = min((MINI / "images").glob("*.png"))
    shutil.copy(picture, folder / "images" / "one.png")
    records = [
        {
            "id": question.id,
            "title": f"Study {question.id}",
            "section": "History",
            "image": "images/one.png",
            "instruction_with_title": f"Explain the history of Study {question.id}.",
            "instruction_without_title": "Explain the history of this artwork.",
            "reference": question.reference,
            "entities": list(question.entities),
        }
        for question in questions
    ]
    (folder / "test_seen.json").write_text(json.dumps(records), encoding="utf-8")
    return folder
