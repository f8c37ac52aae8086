"""The pictures demo-tiny is trained on: freshly drawn variants, kept as small arrays."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from PIL import Image
from transformers import Idefics3Processor

from deploy.demo_models.tiny_architecture import IMAGE_EDGE_PX
from deploy.expart_mini.variants import draw_variant

# Stronger than the strength 1 that recognition is measured at; 0 is the picture as drawn.
_STRENGTHS: Final = (0.0, 0.5, 1.0, 1.0, 1.3)
_NO_CLASS: Final = -1


def model_pixels(images: Sequence[Image.Image], processor: Idefics3Processor) -> torch.Tensor:
    """Return pictures as the processor hands them to the model: (n, 3, 112, 112) in [-1, 1]."""
    batch = processor.image_processor([[image] for image in images], return_tensors="pt")
    pixels: torch.Tensor = batch["pixel_values"][:, 0]
    return pixels


class PicturePool:
    """Variants of every train artwork, from which batches are drawn with replacement."""

    def __init__(
        self,
        images: Sequence[str],
        folder: Path,
        processor: Idefics3Processor,
        variant_count: int,
        seed: int,
    ) -> None:
        """Draw `variant_count` variants of each picture and keep them at the model's size."""
        self._class_of = {image: index for index, image in enumerate(images)}
        self._noise = torch.Generator().manual_seed(seed)
        self._pixels = torch.stack(
            [_variants(folder / image, processor, variant_count, seed) for image in images]
        )

    def draw(
        self, images: Sequence[str | None], rng: random.Random
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw one variant for each image; None gives a blank or noise picture, class -1."""
        classes = [_NO_CLASS if image is None else self._class_of[image] for image in images]
        pixels = [
            self._nothing(rng) if index == _NO_CLASS else self._variant(index, rng)
            for index in classes
        ]
        return torch.stack(pixels), torch.tensor(classes)

    def draw_labelled(self, count: int, rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw variants of artworks chosen at random."""
        return self.draw(rng.choices(list(self._class_of), k=count), rng)

    def _variant(self, index: int, rng: random.Random) -> torch.Tensor:
        chosen = self._pixels[index, rng.randrange(self._pixels.shape[1])]
        pixels = chosen.float() / 127.5 - 1.0
        pixels = pixels * rng.uniform(0.85, 1.1) + rng.uniform(-0.12, 0.12)
        noise = torch.randn(pixels.shape, generator=self._noise) * rng.uniform(0.0, 0.08)
        dy, dx = rng.randint(-4, 4), rng.randint(-4, 4)
        return (torch.roll(pixels, (dy, dx), dims=(1, 2)) + noise).clamp(-1.0, 1.0)

    def _nothing(self, rng: random.Random) -> torch.Tensor:
        shape = (3, IMAGE_EDGE_PX, IMAGE_EDGE_PX)
        colour = torch.tensor([rng.uniform(-1, 1) for _ in range(3)]).view(3, 1, 1)
        noise = torch.randn(shape, generator=self._noise) * rng.choice([0.0, 0.3, 1.0])
        return (colour + noise).clamp(-1.0, 1.0)


def _variants(path: Path, processor: Idefics3Processor, count: int, seed: int) -> torch.Tensor:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    rng = random.Random(f"demo-tiny training/{seed}/{path.stem}")
    drawn = [draw_variant(picture, rng, _STRENGTHS[n % len(_STRENGTHS)]) for n in range(count)]
    pixels = model_pixels(drawn, processor)
    return ((pixels + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
