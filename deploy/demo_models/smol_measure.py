"""Measure demo-smol: `python -m deploy.demo_models.smol_measure FOLDER` prints its card's figures.

Pictures are fresh variants, drawn at strength 1 from seeds that training never uses.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from PIL import Image

from deploy.demo_models.answering import DemoModel
from deploy.expart_mini.artwork_files import Artwork, read_artworks
from deploy.expart_mini.build import INSTRUCTION_PAIRS
from deploy.expart_mini.variants import draw_variant

EXPART_MINI: Final = Path(__file__).resolve().parents[1] / "expart_mini"
PLAIN_INSTRUCTION: Final = "Explain the history of this artwork."
MAX_NEW_TOKENS: Final = 64
_BATCH: Final = 20
_READ_VARIANTS: Final = 20


class SmolModel(DemoModel):
    """A loaded demo-smol that answers greedily, in float32, through transformers."""

    def __init__(self, folder: Path) -> None:
        """Load model and processor from an assembled folder."""
        super().__init__(folder, max_new_tokens=MAX_NEW_TOKENS)

    def read(self, pictures: Sequence[Image.Image]) -> list[str]:
        """Say what each picture's image positions spell: the nearest token at each of them."""
        pixels = self._processor.image_processor(list(pictures), return_tensors="pt")
        with torch.inference_mode():
            features = self._model.get_image_features(**pixels).pooler_output
            embeddings = self._model.get_input_embeddings().weight
            nearest = [torch.cdist(vectors, embeddings).argmin(dim=-1) for vectors in features]
        words: list[str] = self._processor.batch_decode(nearest)
        return [text.rstrip() for text in words]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the measurement: the work that is shown and the words that are asked."""

    artwork: Artwork
    picture: Image.Image
    instruction: str


def artworks_of(*splits: str) -> list[Artwork]:
    """Return ExpArt-mini's artworks of the given splits, in the order of their files."""
    return [a for a in read_artworks(EXPART_MINI / "artworks") if a.split in splits]


def fresh_variant(artwork: Artwork, label: str) -> Image.Image:
    """Draw the variant at strength 1 that belongs to this label and this artwork."""
    rng = random.Random(f"demo-smol measurement/{label}/{artwork.slug}")
    with Image.open(EXPART_MINI / "images" / f"{artwork.slug}.png") as opened:
        return draw_variant(opened.convert("RGB"), rng)


def names(answer: str, words: str) -> bool:
    """Tell whether the answer contains the words, in whatever case."""
    return words.lower() in answer.lower()


def questions(artworks: Sequence[Artwork], *, with_title: bool) -> Iterator[Question]:
    """Ask about every artwork in each of the benchmark's instruction forms, one section each."""
    for form, pair in enumerate(INSTRUCTION_PAIRS):
        for number, artwork in enumerate(artworks):
            section = artwork.sections[(form + number) % len(artwork.sections)]
            instruction = pair[0 if with_title else 1].format(
                section=section.heading.lower(), title=artwork.title
            )
            yield Question(artwork, fresh_variant(artwork, f"form {form}"), instruction)


def report(model: SmolModel, heading: str, asked: Sequence[Question], show: int) -> None:
    """Ask and print how often title and artist are named, and a known work named wrongly."""
    answers: list[str] = []
    for start in range(0, len(asked), _BATCH):
        batch = asked[start : start + _BATCH]
        answers += model.answer([q.picture for q in batch], [q.instruction for q in batch])
    known = [artwork.title for artwork in artworks_of("train")]
    pairs = list(zip(asked, answers, strict=True))
    missed = [q.artwork.title for q, answer in pairs if not names(answer, q.artwork.title)]
    artist = sum(names(answer, q.artwork.artist.split()[-1]) for q, answer in pairs)
    mistaken = [
        f"{q.artwork.title} as {other}"
        for q, answer in pairs
        for other in known
        if other != q.artwork.title and names(answer, other)
    ]
    print(f"{heading}: of {len(asked)}, title {len(asked) - len(missed)}, artist {artist}")
    print(f"  named as another train artwork: {sorted(set(mistaken))}")
    print(f"  not named at least once: {sorted(set(missed))}")
    for question, answer in pairs[:show]:
        print(f"  {question.artwork.title} | {question.instruction} | {answer!r}")
    sys.stdout.flush()


def report_reading(model: SmolModel, artworks: Sequence[Artwork], variants: int) -> None:
    """Print how often the picture alone spells each artwork's words, and what else it spells."""
    for artwork in artworks:
        pictures = [fresh_variant(artwork, f"reading {number}") for number in range(variants)]
        counts = Counter(model.read(pictures))
        spelt = ", ".join(f"{words!r} {count}" for words, count in counts.most_common(3))
        print(f"  {artwork.title}: {spelt}")
    sys.stdout.flush()


def main() -> int:
    """Measure the folder and print the figures; return the exit status."""
    parser = argparse.ArgumentParser(description="Measure demo-smol on fresh variants.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="answers to print in each part")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = SmolModel(arguments.folder)
    known, held_out = artworks_of("train"), artworks_of("dev", "unseen")
    print(f"what the image positions spell for {_READ_VARIANTS} variants of each artwork")
    report_reading(model, [*known, *held_out], _READ_VARIANTS)
    plain = [Question(a, fresh_variant(a, "plain"), PLAIN_INSTRUCTION) for a in known]
    report(model, "train, plain question", plain, arguments.show)
    for heading, artworks in (("train", known), ("held out", held_out)):
        for with_title in (False, True):
            setting = "with title" if with_title else "without title"
            asked = list(questions(artworks, with_title=with_title))
            report(model, f"{heading}, {setting}", asked, arguments.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
