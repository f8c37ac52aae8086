"""Freshly drawn variants of an artwork's picture, as another photograph of it might look.

The ranges below hold at strength 1; every range shrinks or grows in proportion to `strength`.
"""

import math
import random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

MAX_SHIFT = 0.05
"""Largest move along either axis, as a fraction of that side."""

MIN_SCALE = 0.85
"""Smallest scale: the picture shrinks and a border appears."""

MAX_SCALE = 1.10
"""Largest scale: the picture's edges are cropped."""

MAX_ROTATION_DEG = 3.0
"""Largest turn, either way."""

MAX_BRIGHTNESS_CHANGE = 0.15
"""Brightness is multiplied by 1 plus or minus at most this."""

MAX_CONTRAST_CHANGE = 0.15
"""Contrast is multiplied by 1 plus or minus at most this."""

MAX_SATURATION_CHANGE = 0.20
"""Saturation is multiplied by 1 plus or minus at most this."""

MAX_HUE_SHIFT_DEG = 6.0
"""Largest turn of the colour circle, either way."""

MAX_BLUR_RADIUS_PX = 1.0
"""Largest Gaussian blur."""

MAX_NOISE_SIGMA = 8.0
"""Largest standard deviation of the Gaussian noise, in 8-bit levels."""

MAX_STRENGTH = 3.0
"""Beyond this the ranges lose their meaning (scales would near zero)."""

EDGE_BORDER_SHARE = 0.5
"""Share of variants whose border continues the picture's edge colour; the rest are neutral."""

NEUTRAL_BORDER = (128, 128, 128)
"""Border colour of the variants that do not continue the picture's edge colour."""


def draw_variant(image: Image.Image, rng: random.Random, strength: float = 1.0) -> Image.Image:
    """Returns a variant of the picture: moved, scaled, turned, recoloured, blurred and noisy.

    The result is RGB, has the size of `image`, and depends only on `image`, `strength` and the
    state of `rng`, which is advanced. Strength 0 changes nothing.

    Raises:
        ValueError: `strength` lies outside 0 to 3.
    """
    if not 0.0 <= strength <= MAX_STRENGTH:
        raise ValueError(f"strength must lie between 0 and {MAX_STRENGTH}, got {strength}")
    moved = _move(image.convert("RGB"), rng, strength)
    recoloured = _recolour(moved, rng, strength)
    blurred = recoloured.filter(
        ImageFilter.GaussianBlur(rng.uniform(0.0, MAX_BLUR_RADIUS_PX * strength))
    )
    return _add_noise(blurred, rng, strength)


def _move(image: Image.Image, rng: random.Random, strength: float) -> Image.Image:
    width, height = image.size
    scale = rng.uniform(1 + (MIN_SCALE - 1) * strength, 1 + (MAX_SCALE - 1) * strength)
    angle = math.radians(_either_way(rng, MAX_ROTATION_DEG, strength))
    shift_x = width * _either_way(rng, MAX_SHIFT, strength)
    shift_y = height * _either_way(rng, MAX_SHIFT, strength)
    border = _edge_colour(image) if rng.random() < EDGE_BORDER_SHARE else NEUTRAL_BORDER
    # Pillow asks for the map from the new picture's pixels back to the old one's.
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    centre_x, centre_y = width / 2, height / 2
    from_x, from_y = centre_x + shift_x, centre_y + shift_y
    back = (
        cos,
        sin,
        centre_x - cos * from_x - sin * from_y,
        -sin,
        cos,
        centre_y + sin * from_x - cos * from_y,
    )
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        back,
        resample=Image.Resampling.BILINEAR,
        fillcolor=border,
    )


def _recolour(image: Image.Image, rng: random.Random, strength: float) -> Image.Image:
    for enhancer, change in (
        (ImageEnhance.Brightness, MAX_BRIGHTNESS_CHANGE),
        (ImageEnhance.Contrast, MAX_CONTRAST_CHANGE),
        (ImageEnhance.Color, MAX_SATURATION_CHANGE),
    ):
        image = enhancer(image).enhance(1 + _either_way(rng, change, strength))
    # Pillow's hue channel spends 256 levels on the full circle.
    levels = round(_either_way(rng, MAX_HUE_SHIFT_DEG, strength) * 256 / 360)
    if levels == 0:
        return image
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + levels) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _add_noise(image: Image.Image, rng: random.Random, strength: float) -> Image.Image:
    sigma = rng.uniform(0.0, MAX_NOISE_SIGMA * strength)
    pixels = np.asarray(image, dtype=np.float64)
    noise = np.random.default_rng(rng.getrandbits(64)).normal(0.0, sigma, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8))


def _edge_colour(image: Image.Image) -> tuple[int, int, int]:
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = np.median(edge, axis=0)
    return int(red), int(green), int(blue)


def _either_way(rng: random.Random, limit: float, strength: float) -> float:
    return rng.uniform(-limit, limit) * strength
