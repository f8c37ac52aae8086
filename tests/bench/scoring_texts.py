"""What the benches of scoring measure with: random and seeded texts, or ExpArt-mini's."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EXPART_MINI = Path(__file__).parents[2] / "deploy" / "expart_mini"
NAMES = (
    *("Piet Mondrian", "Kazimir Malevich", "Hilma af Klint", "El Lissitzky", "Theo van Doesburg"),
    *("Louvre", "Tate Modern", "Suprematism", "De Stijl", "St. Petersburg", "Bauhaus", "Amsterdam"),
    *("Composition No. II", "The Swan", "Wassily Kandinsky", "Moscow", "Paris", "Neoplasticism"),
)
VOCABULARY = """
the a of and in is was his with which black white red blue square circle line canvas painting artist
abstract geometric colour form movement exhibition museum shown made early century composed balance
diagonal plane work style influence modern art series viewer space edges
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One explanation to be scored."""

    candidate: str
    reference: str
    entities: tuple[str, ...]


def make_text(
    rng: random.Random, word_count: int, entities: Sequence[str], vocabulary: Sequence[str]
) -> str:
    sentences: list[str] = []
    length = 0
    while length < word_count:
        words = rng.choices(vocabulary, k=rng.randint(9, 20))
        for entity in rng.sample(entities, min(2, len(entities))):
            words.insert(rng.randint(1, len(words)), entity)
        words[rng.randrange(len(words) - 1)] += rng.choice((",", ",", "", "'s", ";"))
        words[0] = words[0].capitalize()
        sentences.append(" ".join(words) + ".")
        length += len(words)
    return " ".join(sentences)


def make_items(
    count: int, word_count: int, entity_count: int, vocabulary: Sequence[str] = ()
) -> list[Item]:
    """Makes items of sentences that mention entities.

    Args:
        count: How many.
        word_count: Words of each text, counting an entity as one.
        entity_count: Entities of each item.
        vocabulary: Words to choose from, all equally often; a few dozen if empty.
    """
    rng = random.Random(20240229)
    names = list(NAMES) + [f"Work {letter}{n}" for letter in "ABCD" for n in range(20)]
    vocabulary = vocabulary or VOCABULARY.split()
    items = []
    for _ in range(count):
        entities = tuple(rng.sample(names, entity_count))
        text, reference = (make_text(rng, word_count, entities, vocabulary) for _ in range(2))
        items.append(Item(text, reference, entities))
    return items


def new_words(count: int) -> list[str]:
    """Makes words up, and lets the common ones make up half of what is chosen from them."""
    rng = random.Random(20240301)
    made = ["".join(rng.choices("aeiounrstlmdc", k=rng.randint(3, 11))) for _ in range(count)]
    common = VOCABULARY.split()
    return made + common * (count // len(common))


def expart_mini_items() -> list[Item]:
    """Scores each explanation of ExpArt-mini against the next one."""
    records = []
    for name in ("train", "dev", "test_seen", "test_unseen"):
        records += json.loads((EXPART_MINI / f"{name}.json").read_text(encoding="utf-8"))
    found = {r["conversations"][-1]["value"]: tuple(r["entities"]) for r in records}
    texts = list(found)
    return [
        Item(candidate, reference, found[reference])
        for candidate, reference in zip(texts, [*texts[1:], texts[0]], strict=True)
    ]
