"""Train demo-smol's tower and connector; the language model is used as it is and never run.

For each train artwork the target is the sequence of the language model's own input embeddings
for the words `"TITLE" by ARTIST`, padded to the 25 image positions; for a picture of nothing
known it is those of other words (see `smol_architecture`). The loss asks that every output
vector lie near its token's embedding (squared error) and nearer to it than to the other tokens
that occur (cross-entropy over negative squared distances).

Run `python -m deploy.demo_models.smol_train` in the repository root: about 15 minutes on one
core, the same weights again from the same seed on the same machine and thread count.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from deploy.demo_models.smol_architecture import (
    IMAGE_TOKEN_COUNT,
    SLOT_FORM,
    SLOT_PAD,
    SLOT_UNKNOWN,
    build_config,
)
from deploy.demo_models.smol_assemble import TRAINED_WEIGHTS
from deploy.demo_models.smol_language import SmolLanguageModel, find_gguf
from deploy.demo_models.smol_network import PictureReader
from deploy.demo_models.smol_pictures import draw_pool
from deploy.expart_mini.artwork_files import Artwork, read_artworks

EXPART_MINI: Final = Path(__file__).resolve().parents[1] / "expart_mini"
SEED: Final = 20261122
STEPS: Final = 2400
BATCH: Final = 32
VARIANTS_PER_ARTWORK: Final = 96
UNKNOWN_PICTURES: Final = 960
LEARNING_RATE: Final = 1.5e-3
WARM_UP_STEPS: Final = 100
CLASSIFICATION_WEIGHT: Final = 0.5
_REPORT_EVERY: Final = 100


@dataclass(frozen=True, slots=True)
class Targets:
    """What the image positions should spell, as indices into the tokens that occur at all.

    `candidates` (tokens, hidden) are the embeddings of those tokens, `indices`
    (classes, positions) the target of each class; `scale` is the embeddings' variance.
    """

    candidates: torch.Tensor
    indices: torch.Tensor
    scale: float


def build_targets(texts: Sequence[str], language_model: SmolLanguageModel) -> Targets:
    """Encode the texts, pad each to the image positions and look their embeddings up.

    Raises:
        ValueError: a text needs more positions than a picture has.
    """
    tokenizer = language_model.tokenizer()
    pad = tokenizer.encode(SLOT_PAD).ids
    rows: list[list[int]] = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        if len(ids) > IMAGE_TOKEN_COUNT:
            raise ValueError(f"{text!r} takes {len(ids)} of {IMAGE_TOKEN_COUNT} positions")
        rows.append(ids + pad * (IMAGE_TOKEN_COUNT - len(ids)))
    occurring = sorted({token for row in rows for token in row})
    place = {token: index for index, token in enumerate(occurring)}
    embeddings = language_model.embeddings()
    return Targets(
        candidates=torch.from_numpy(embeddings[occurring]),
        indices=torch.tensor([[place[token] for token in row] for row in rows]),
        scale=float(embeddings.var()),
    )


def slot_texts(artworks: Sequence[Artwork]) -> list[str]:
    """Say what the image positions spell for each artwork, then for an unknown picture."""
    known = [SLOT_FORM.format(title=a.title, artist=a.artist) for a in artworks]
    return [*known, SLOT_UNKNOWN]


def spelling_loss(
    vectors: torch.Tensor, targets: Targets, classes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss and which pictures have every position nearest to its own token.

    `vectors` is (n, positions, hidden), `classes` (n,); the second result is (n,), boolean.
    """
    wanted = targets.indices[classes]
    width = vectors.shape[-1]
    distances = torch.cdist(vectors.flatten(0, 1), targets.candidates).square()
    scores = -distances / (targets.scale * math.sqrt(width))
    error = (vectors - targets.candidates[wanted]).square().mean() / targets.scale
    named = nn.functional.cross_entropy(scores, wanted.flatten())
    spelt = (scores.argmax(dim=-1).view_as(wanted) == wanted).all(dim=-1)
    return error + CLASSIFICATION_WEIGHT * named, spelt


def train(reader: PictureReader, targets: Targets, artworks: Sequence[Artwork], steps: int) -> None:
    """Train in place, printing the loss and the share of pictures spelt right."""
    pool = draw_pool(
        [EXPART_MINI / "images" / f"{artwork.slug}.png" for artwork in artworks],
        variant_count=VARIANTS_PER_ARTWORK,
        unknown_count=UNKNOWN_PICTURES,
        seed=SEED,
    )
    rng = np.random.default_rng(SEED)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    losses: list[float] = []
    spelt_shares: list[float] = []
    started = time.monotonic()
    for step in range(1, steps + 1):
        pixels, classes = pool.draw(BATCH, rng)
        loss, spelt = spelling_loss(reader(pixels), targets, classes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        spelt_shares.append(float(spelt.float().mean()))
        if step % _REPORT_EVERY == 0:
            recent, right = losses[-_REPORT_EVERY:], spelt_shares[-_REPORT_EVERY:]
            print(
                f"step {step}: loss {sum(recent) / len(recent):.3f}, spelt right "
                f"{sum(right) / len(right):.2f}, {time.monotonic() - started:.0f} s",
                flush=True,
            )


def _rate(step: int, steps: int) -> float:
    """Warm up, then follow a cosine down to nothing."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)))


def main() -> int:
    """Train and write the weights; return the exit status."""
    parser = argparse.ArgumentParser(description="Train demo-smol's tower and connector.")
    parser.add_argument("--out", type=Path, default=TRAINED_WEIGHTS, help="weights file to write")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    artworks = [a for a in read_artworks(EXPART_MINI / "artworks") if a.split == "train"]
    language_model = SmolLanguageModel(find_gguf())
    targets = build_targets(slot_texts(artworks), language_model)
    reader = PictureReader(build_config(language_model.shape), seed=SEED)
    train(reader, targets, artworks, arguments.steps)
    reader.save(arguments.out)
    print(f"wrote {arguments.out} ({arguments.out.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
