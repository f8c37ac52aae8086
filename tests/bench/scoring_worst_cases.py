"""The time that hostile texts of 50,000 characters cost BLEU, ROUGE and the tokens."""

import random
import sys
import time
from itertools import count

from services.metrics import ScoringInput, score_all

LENGTH = 50_000
METRICS = ("bleu", "rouge_1", "rouge_2", "rouge_l", "length", "length_penalty")
SHOWN = 8

# Repeated to the full length.
REPEATED = (
    *(".", "...", ". ", "! ", "?) ", ".) ", 'a."', "a.a", "e.g. ", "1. ", "1,", "1-", "1234567890"),
    *("'", "' ", '" ', '". ', "`` ", "'s ", "n't ", "gonna ", "gonna", "\u2026", ":", ",5", "--"),
    *(
        "a",
        "a ",
        "\n",
        "a\n",
        ".\n",
        "\t",
        "a.\u00a0",
        "a.\u0085",
        ".\x1c",
        "-\n",
        "&amp;",
        "<skipped>",
    ),
    *("\u8499\u5a1c", "\u8499\u3002", "\U0001f600", "e\u0301", "\u200d", "\u0130", "\u0645 "),
)
# Numbered, so that no piece occurs twice.
NUMBERED = (
    "w{} ",
    "w{}. ",
    "w{}! ",
    "{}. ",
    "w{}'s ",
    '"w{}" ',
    "\u00a7{}. \u00a7 ",
    "(w{}), ",
    "x-{}.) ",
)


def hostile_texts() -> dict[str, str]:
    texts = {repr(part): part * (LENGTH // len(part)) for part in REPEATED}
    for pattern in NUMBERED:
        pieces, length = [], 0
        for number in count():
            piece = pattern.format(number)
            length += len(piece)
            if length > LENGTH:
                break
            pieces.append(piece)
        texts[f"numbered {pattern!r}"] = "".join(pieces)
    rng = random.Random(20240229)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    texts["25,000 random tokens"] = " ".join(rng.choices(letters, k=LENGTH // 2))
    texts["random punctuation"] = "".join(
        rng.choices("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~ ", k=LENGTH)
    )
    texts["a word after spaces"] = "." + " " * (LENGTH - 2) + "x"
    return texts


def worst_cases() -> None:
    """Prints the slowest of the hostile texts, each scored against a copy that begins with x."""
    spent: list[tuple[float, str]] = []
    for name, text in hostile_texts().items():
        started = time.process_time()
        score_all(ScoringInput(text, f"x{text[1:]}"), METRICS)
        spent.append((time.process_time() - started, name))
    spent.sort(reverse=True)
    sys.stdout.write(
        f"Slowest of {len(spent)} hostile pairs of {LENGTH:,} characters each; "
        "seconds of BLEU, ROUGE and the tokens of both\n"
    )
    for seconds, name in spent[:SHOWN]:
        sys.stdout.write(f"  {name:<46} {seconds:8.3f}\n")
