"""Texts that are hard on tokenizers, for comparisons with the libraries: random and seeded."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

ATOMS = (
    *("the", "The", "a", "painting", "was", "made", "in", "by", "Mondrian", "Bach", "He", "art"),
    *("cannot", "CANNOT", "gonna", "wanna", "'tis", "'twas", "more'n", "d'ye", "gimme", "lemme"),
    *("it's", "don't", "n't", "won't", "they'll", "I'VE", "Mondrian's", "artists'", "o'clock"),
    *("'s", "'", '"', "''", "``", "`", ".", "..", "...", "!", "?", ",", ":", ";", "-", "--", "/"),
    *("\u2014", "\u2013", "\u201c", "\u201d", "\u2018", "\u2019", "\u00ab", "\u00bb", "\u2011"),
    *("\u2026", "(", ")", "[", "]", "{", "}", "<", ">", "*", "&", "#", "$", "%", "@", "^", "_"),
    *("&amp;", "&quot;", "&lt;", "&gt;", "&amp;quot;", "<skipped>", "<ski", "pped>", "-\n"),
    *(
        "3",
        "3.14",
        "1,000",
        "No.",
        "St.",
        "U.S.",
        "e.g.",
        "Dr.",
        "J.",
        "S.",
        "1920s",
        "5-6",
        "7.-8",
    ),
    *(
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "\u00a0",
        "\u3000",
        "\u2028",
        "\u0085",
        "\x1c",
        "\x0b",
    ),
    *("\u00e9", "e\u0301", "\ufb01", "\u0130", "\u0131", "\u00df", "\u03a3", "\u212a", "\u017f"),
    *(
        "\u8499\u5a1c",
        "\u3002",
        "\u0444\u0438",
        "\u0645\u0631",
        "\u0e20\u0e32",
        "\U0001f600",
        "\u200d",
    ),
)
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_QUOTES = "'\"`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
_FOLDER = Path(__file__).parents[2] / "deploy" / "expart_mini"


@cache
def explanations() -> tuple[str, ...]:
    """The references of ExpArt-mini."""
    texts: dict[str, None] = {}
    for name in ("train", "dev", "test_seen", "test_unseen"):
        for record in json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8")):
            texts.setdefault(record["conversations"][-1]["value"])
    return tuple(texts)


def soup(rng: random.Random) -> str:
    """Atoms in any order, with or without spaces."""
    glue = rng.choice((" ", " ", ""))
    return glue.join(rng.choice(ATOMS) for _ in range(rng.randint(0, 60)))


def damaged_prose(rng: random.Random) -> str:
    """An explanation in which some words are replaced by atoms, or have lost their space."""
    words = rng.choice(explanations()).split(" ")
    for _ in range(rng.randint(0, 12)):
        at = rng.randrange(len(words))
        words[at] = rng.choice(
            (rng.choice(ATOMS), words[at] + rng.choice(ATOMS), words[at].upper())
        )
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(words) - 1)
        words[at : at + 2] = [rng.choice(("", "\n", ". ", "' ")).join(words[at : at + 2])]
    return " ".join(words)


def characters(rng: random.Random) -> str:
    """Characters of one or two alphabets, and spaces."""
    alphabets = (
        _PUNCTUATION,
        _QUOTES,
        "0123456789.,-:",
        "abcXYZ",
        " \n\t\u00a0\u2028\x1c",
        ".?! ",
        "".join(map(chr, range(32, 592))),
        "\u0301\u0308\u200b\u200d\u00ad\ufeff\U0001f3a8\ufe0f",
    )
    chosen = "".join(rng.sample(alphabets, rng.randint(1, 2))) + " " * rng.randint(0, 9)
    return "".join(rng.choices(chosen, k=rng.randint(0, 90)))


def repeated(rng: random.Random) -> str:
    """Few atoms, often."""
    few = rng.choices(ATOMS, k=rng.randint(1, 3))
    return "".join(few) * rng.randint(1, 40)


KINDS: Sequence[Callable[[random.Random], str]] = (soup, damaged_prose, characters, repeated)


def texts(count: int, seed: int) -> Iterator[str]:
    """So many texts of all kinds in turn."""
    rng = random.Random(seed)
    for number in range(count):
        yield KINDS[number % len(KINDS)](rng)


def pairs(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """So many candidates and references, which are not blank.

    Half the candidates are made of their references: the same, shuffled, cut, doubled or damaged.
    """
    rng = random.Random(seed)
    produced = 0
    while produced < count:
        reference = rng.choice(KINDS)(rng)
        if reference.strip():
            produced += 1
            yield (_edited if produced % 2 else _unrelated)(rng, reference), reference


def _unrelated(rng: random.Random, _reference: str) -> str:
    return rng.choice((*KINDS, lambda _: ""))(rng)


def _edited(rng: random.Random, reference: str) -> str:
    words = reference.split(" ")
    match rng.randrange(6):
        case 0:
            return reference
        case 1:
            rng.shuffle(words)
        case 2:
            words = words[: rng.randint(0, 3)]
        case 3:
            words *= 3
        case 4:
            words.insert(rng.randrange(len(words)), soup(rng))
        case _:
            del words[rng.randrange(len(words)) :: 3]
    return " ".join(words)
