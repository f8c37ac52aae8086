"""Questions about ExpArt-mini's pictures, each asked once only, so that no cache answers it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.benchmark.loader import load_dataset
from services.benchmark.records import Split

DATASET = Path(__file__).parents[2] / "deploy" / "expart_mini"
NEW_TOKENS = 64
# Where only the first token counts.
FEW_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A picture's file and what to explain about it."""

    image: Path
    instruction: str


def questions() -> Iterator[Asked]:
    """Goes round the dataset without end; every round words its questions in another way."""
    found = load_dataset(DATASET, (Split.TEST_SEEN, Split.TEST_UNSEEN)).questions
    round_number = 0
    while True:
        round_number += 1
        for question in found:
            yield Asked(DATASET / question.image, f"Answer {round_number}. {question.instruction}")
