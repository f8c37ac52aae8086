"""The explanations that the benches of scoring measure with: random and seeded."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

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


def make_text(rng: random.Random, word_count: int, entities: Sequence[str]) -> str:
    vocabulary = VOCABULARY.split()
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


def make_items(count: int, word_count: int, entity_count: int) -> list[Item]:
    rng = random.Random(20240229)
    names = list(NAMES) + [f"Work {letter}{n}" for letter in "ABCD" for n in range(20)]
    items = []
    for _ in range(count):
        entities = tuple(rng.sample(names, entity_count))
        text, reference = (make_text(rng, word_count, entities) for _ in range(2))
        items.append(Item(text, reference, entities))
    return items
