"""The pictures demo-smol is trained on: variants of the train artworks, and unknown pictures.

Unknown pictures are random geometric compositions drawn here by code, and collages of quarters
of different train artworks. They teach the model to say that it does not know a picture; no
held-out artwork is used for that.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from deploy.demo_models.smol_architecture import IMAGE_EDGE_PX, PIXEL_MEAN, PIXEL_STD
from deploy.expart_mini.variants import draw_variant

# Variants are drawn at this size rather than at 336 px, for speed; blur and noise come out a
# little stronger than in a variant of the full-size picture.
_DRAWN_EDGE_PX: Final = 200
# Strength 1 is what recognition is measured at.
_STRENGTHS: Final = (0.0, 0.6, 1.0, 1.0, 1.4)
_UNKNOWN_STRENGTH: Final = 1.0
_MAX_SHAPES: Final = 14
_COLLAGE_SHARE: Final = 0.3
_UPRIGHT_SHARE: Final = 0.5
_BLACK_SHARE: Final = 0.25
_FEW_SHAPES: Final = 3  # so few may be large


@dataclass(frozen=True, slots=True)
class PicturePool:
    """Pictures at the model's size, as bytes, with the class of each.

    `pixels` is (n, edge, edge, 3) in 0 to 255; `classes` (n,) numbers the artworks in order,
    and the class after the last artwork is "unknown".
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw pictures with replacement, each shifted, tinted and noised a little more."""
        chosen = rng.integers(len(self.classes), size=count)
        pixels = self.pixels[chosen].astype(np.float32) / 255.0
        tint = rng.normal(1.0, 0.04, (count, 1, 1, 3)) * rng.normal(1.0, 0.04, (count, 1, 1, 1))
        noise = rng.normal(0.0, 1.0, pixels.shape) * rng.uniform(0, 0.03, (count, 1, 1, 1))
        jittered = pixels * tint + rng.normal(0.0, 0.03, (count, 1, 1, 3)) + noise
        shifted = np.roll(jittered, tuple(rng.integers(-2, 3, size=2)), axis=(1, 2))
        return as_model_input(np.clip(shifted, 0.0, 1.0)), torch.from_numpy(self.classes[chosen])


def as_model_input(pixels: NDArray[np.floating]) -> torch.Tensor:
    """Turn (n, edge, edge, 3) in 0 to 1 into what the tower takes, (n, 3, edge, edge)."""
    normalised = (pixels - PIXEL_MEAN) / PIXEL_STD
    return torch.from_numpy(normalised.transpose(0, 3, 1, 2).astype(np.float32))


def draw_pool(
    pictures: Sequence[Path], *, variant_count: int, unknown_count: int, seed: int
) -> PicturePool:
    """Draw `variant_count` variants of each picture and `unknown_count` unknown pictures."""
    drawn: list[NDArray[np.uint8]] = []
    classes: list[int] = []
    known = [_read_small(path) for path in pictures]
    for number, (path, picture) in enumerate(zip(pictures, known, strict=True)):
        rng = random.Random(f"demo-smol/{seed}/{path.stem}")
        for _ in range(variant_count):
            drawn.append(_squared(draw_variant(picture, rng, rng.choice(_STRENGTHS))))
            classes.append(number)
    rng = random.Random(f"demo-smol/{seed}/unknown")
    for _ in range(unknown_count):
        collage = rng.random() < _COLLAGE_SHARE
        picture = draw_collage(known, rng) if collage else draw_composition(rng)
        drawn.append(_squared(draw_variant(picture, rng, _UNKNOWN_STRENGTH)))
        classes.append(len(pictures))
    return PicturePool(np.stack(drawn), np.array(classes, dtype=np.int64))


def draw_collage(pictures: Sequence[Image.Image], rng: random.Random) -> Image.Image:
    """Put together quarters of four different pictures, so that parts alone name nothing."""
    edge, half = _DRAWN_EDGE_PX, _DRAWN_EDGE_PX // 2
    collage = Image.new("RGB", (edge, edge))
    corners = ((0, 0), (half, 0), (0, half), (half, half))
    for corner, picture in zip(corners, rng.sample(list(pictures), 4), strict=True):
        square = picture.resize((edge, edge))
        collage.paste(square.crop((*corner, corner[0] + half, corner[1] + half)), corner)
    return collage


def draw_composition(rng: random.Random) -> Image.Image:
    """Draw a random composition of rectangles, discs, rings, crosses, triangles and lines."""
    size = (_DRAWN_EDGE_PX, rng.randint(_DRAWN_EDGE_PX // 2, _DRAWN_EDGE_PX))
    if rng.random() < _UPRIGHT_SHARE:
        size = (size[1], size[0])
    image = Image.new("RGB", size, _ground(rng))
    draw = ImageDraw.Draw(image)
    # Single large shapes are as frequent as crowds: several known works are one shape each.
    count = rng.choice((1, 1, 2, 3, rng.randint(4, _MAX_SHAPES), rng.randint(4, _MAX_SHAPES)))
    for _ in range(count):
        extent = rng.uniform(0.25, 0.8) if count <= _FEW_SHAPES else rng.uniform(0.05, 0.45)
        _draw_shape(draw, rng, size, extent * min(size))
    return image


def _draw_shape(
    draw: ImageDraw.ImageDraw, rng: random.Random, size: tuple[int, int], extent: float
) -> None:
    x, y = rng.uniform(0.2, 0.8) * size[0], rng.uniform(0.2, 0.8) * size[1]
    colour = (0, 0, 0) if rng.random() < _BLACK_SHARE else _colour(rng, 0, 255)
    half, turn = extent / 2, rng.choice((0.0, 0.0, rng.uniform(0, math.pi)))
    kind = rng.choice(("rectangle", "disc", "ring", "cross", "triangle", "line", "half disc"))
    box = (x - half, y - half, x + half, y + half)
    width = max(2, round(extent * rng.uniform(0.03, 0.3)))
    if kind == "disc":
        draw.ellipse(box, fill=colour)
    elif kind == "ring":
        draw.ellipse(box, outline=colour, width=width)
    elif kind == "half disc":
        start = rng.uniform(0, 360)
        draw.pieslice(box, start, start + rng.uniform(90, 200), fill=colour)
    elif kind == "line":
        tips = _polygon(x, y, extent, turn + 0.3, 2)
        draw.line(tips, fill=colour, width=max(1, width // 3))
    elif kind == "triangle":
        draw.polygon(_polygon(x, y, half, turn, 3), fill=colour)
    elif kind == "cross":
        bar = rng.uniform(0.2, 0.45) * half
        draw.polygon(_rectangle(x, y, half, bar, turn), fill=colour)
        draw.polygon(_rectangle(x, y, bar, half, turn), fill=colour)
    else:
        draw.polygon(_rectangle(x, y, half, half * rng.uniform(0.15, 1.0), turn), fill=colour)


def _ground(rng: random.Random) -> tuple[int, int, int]:
    """Choose an off-white, a near-grey or any colour, so that no ground gives a work away."""
    kind = rng.choice(("off-white", "off-white", "grey", "any"))
    if kind == "any":
        return _colour(rng, 0, 255)
    level = rng.randint(205, 245) if kind == "off-white" else rng.randint(10, 230)
    warmth = rng.randint(-4, 24)
    return min(255, level + 6), level, max(0, level - warmth)


def _polygon(
    x: float, y: float, radius: float, turn: float, corners: int
) -> list[tuple[float, float]]:
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def _rectangle(
    x: float, y: float, half_x: float, half_y: float, turn: float
) -> list[tuple[float, float]]:
    cos, sin = math.cos(turn), math.sin(turn)
    corners = ((-half_x, -half_y), (half_x, -half_y), (half_x, half_y), (-half_x, half_y))
    return [(x + cos * dx - sin * dy, y + sin * dx + cos * dy) for dx, dy in corners]


def _colour(rng: random.Random, low: int, high: int) -> tuple[int, int, int]:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def _read_small(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((_DRAWN_EDGE_PX, _DRAWN_EDGE_PX), Image.Resampling.LANCZOS)
    return picture


def _squared(image: Image.Image) -> NDArray[np.uint8]:
    squared = image.resize((IMAGE_EDGE_PX, IMAGE_EDGE_PX), Image.Resampling.BICUBIC)
    return np.asarray(squared, dtype=np.uint8)
