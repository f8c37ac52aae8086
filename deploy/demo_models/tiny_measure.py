"""Measure demo-tiny: `python -m deploy.demo_models.tiny_measure` prints what its card states.

Pictures are fresh variants: drawn at the ordinary strength from seeds training never uses.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from PIL import Image

from deploy.demo_models.answering import DemoModel
from deploy.demo_models.tiny_examples import Question, load_questions, names
from deploy.demo_models.tiny_train import TRAIN_SPLIT, WEIGHTS_FOLDER
from deploy.expart_mini.variants import draw_variant

BENCHMARK_FOLDER: Final = TRAIN_SPLIT.parent
PLAIN_INSTRUCTION: Final = "Explain the history of this artwork."
MAX_NEW_TOKENS: Final = 96
NAMING_TOKENS: Final = 32  # longer than the longest naming sentence of the benchmark
HELD_OUT_SPLITS: Final = ("dev.json", "test_unseen.json")


@dataclass(frozen=True, slots=True)
class Artwork:
    """A work as the benchmark's records name it; `image` is relative to the benchmark's folder."""

    title: str
    image: str

    def picture(self) -> Image.Image:
        """Open the work's own picture."""
        with Image.open(BENCHMARK_FOLDER / self.image) as opened:
            return opened.convert("RGB")

    def variant(self, label: str) -> Image.Image:
        """Draw the fresh variant that belongs to this label and this work."""
        rng = random.Random(f"demo-tiny measurement/{label}/{self.image}")
        return draw_variant(self.picture(), rng)


def artworks_of(*splits: str) -> tuple[Artwork, ...]:
    """Return the works that occur in the given splits, by title."""
    found = {
        Artwork(question.title, question.image)
        for split in splits
        for question in load_questions(BENCHMARK_FOLDER / split)
    }
    return tuple(sorted(found, key=lambda work: work.title))


class TinyModel(DemoModel):
    """A loaded demo-tiny that answers greedily, in float32.

    It is so small that a second thread costs more than it brings: set torch to one.
    """

    def __init__(self, folder: Path) -> None:
        """Load model and processor from a Hugging Face folder."""
        super().__init__(folder, max_new_tokens=MAX_NEW_TOKENS)

    def expanded_prompt(self, picture: Image.Image, instruction: str) -> str:
        """Return the prompt as the model reads it: the picture's tokens written out."""
        inputs = self._processor(text=self._prompt(instruction), images=[picture])
        text: str = self._processor.decode(inputs["input_ids"][0])
        return text


def recognised(model: TinyModel, works: Sequence[Artwork], label: str) -> list[bool]:
    """Ask about a fresh variant of each work without its title; tell which it names rightly."""
    variants = [work.variant(label) for work in works]
    answers = model.answer(variants, _plain(works), max_new_tokens=NAMING_TOKENS)
    return [names(answer, work.title) for answer, work in zip(answers, works, strict=True)]


def title_followed(model: TinyModel, works: Sequence[Artwork]) -> list[bool]:
    """Give each work's title with the next work's picture; tell which answers name the title."""
    instructions = [f"Explain the history of this artwork, {work.title}." for work in works]
    wrong = [work.picture() for work in (*works[1:], *works[:1])]
    answers = model.answer(wrong, instructions, max_new_tokens=NAMING_TOKENS)
    return [names(answer, work.title) for answer, work in zip(answers, works, strict=True)]


def recited_share(model: TinyModel, questions: Sequence[Question]) -> float:
    """Return the share of questions whose first 20 reference words come back in order."""
    answers = model.answer(
        [Artwork(q.title, q.image).picture() for q in questions],
        [q.instruction for q in questions],
    )
    kept = [" ".join(q.reference.split()[:20]) for q in questions]
    return sum(text in answer for text, answer in zip(kept, answers, strict=True)) / len(kept)


def _plain(works: Sequence[Artwork]) -> list[str]:
    return [PLAIN_INSTRUCTION] * len(works)


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 3)


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description="Measure demo-tiny.")
    parser.add_argument("--folder", type=Path, default=WEIGHTS_FOLDER)
    parser.add_argument("--draws", type=int, default=10, help="fresh variants per artwork")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = TinyModel(arguments.folder)
    train = artworks_of("train.json")
    held_out = artworks_of(*HELD_OUT_SPLITS)
    draws = [hit for n in range(arguments.draws) for hit in recognised(model, train, f"{n}")]
    report = {
        "train works named from a fresh variant": _share(draws),
        "train works named with a title and a wrong picture": _share(title_followed(model, train)),
        "train questions recited": round(recited_share(model, load_questions(TRAIN_SPLIT)), 3),
    }
    if held_out:
        unseen = [
            hit for n in range(arguments.draws) for hit in recognised(model, held_out, f"{n}")
        ]
        report["held-out works named from a fresh variant"] = _share(unseen)
        report["held-out works named when their title is given"] = _share(
            title_followed(model, held_out)
        )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
