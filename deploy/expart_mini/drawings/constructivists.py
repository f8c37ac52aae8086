"""El Lissitzky, Olga Rozanova, Lyubov Popova and László Moholy-Nagy: five constructed pictures."""

import math

from PIL import Image

from deploy.expart_mini.drawings.canvas import Canvas, Point

_BLACK = "#1f1c1b"
_RED = "#c9301f"
_PAPER = "#e6dcc4"

# Capitals as pen strokes on a 2 x 3 field, so that no font file is needed.
_STROKES: dict[str, tuple[tuple[Point, ...], ...]] = {
    "К": (((0, 0), (0, 3)), ((2, 0), (0, 1.6), (2, 3))),  # noqa: RUF001 (Cyrillic is meant)
    "Л": (((0, 3), (1, 0), (2, 3)),),
    "И": (((0, 0), (0, 3), (2, 0), (2, 3)),),
    "Н": (((0, 0), (0, 3)), ((2, 0), (2, 3)), ((0, 1.5), (2, 1.5))),  # noqa: RUF001 (Cyrillic is meant)
    "О": (((0, 0), (2, 0), (2, 3), (0, 3), (0, 0)),),  # noqa: RUF001 (Cyrillic is meant)
    "М": (((0, 3), (0, 0), (1, 1.5), (2, 0), (2, 3)),),  # noqa: RUF001 (Cyrillic is meant)
    "Р": (((0, 3), (0, 0), (2, 0), (2, 1.6), (0, 1.6)),),  # noqa: RUF001 (Cyrillic is meant)
    "А": (((0, 3), (1, 0), (2, 3)), ((0.4, 2), (1.6, 2))),  # noqa: RUF001 (Cyrillic is meant)
    "С": (((2, 0), (0, 0), (0, 3), (2, 3)),),  # noqa: RUF001 (Cyrillic is meant)
    "Ы": (((0, 0), (0, 3), (1.2, 3), (1.2, 1.5), (0, 1.5)), ((2, 0), (2, 3))),
    "Б": (((2, 0), (0, 0), (0, 3), (2, 3), (2, 1.4), (0, 1.4)),),
    "Е": (((2, 0), (0, 0), (0, 3), (2, 3)), ((0, 1.5), (1.6, 1.5))),  # noqa: RUF001 (Cyrillic is meant)
    "Й": (((0, 0), (0, 3), (2, 0), (2, 3)), ((0.6, -0.6), (1.4, -0.6))),
    "Х": (((0, 0), (2, 3)), ((2, 0), (0, 3))),  # noqa: RUF001 (Cyrillic is meant)
}


def beat_the_whites_with_the_red_wedge() -> Image.Image:
    """Beat the Whites with the Red Wedge, 1919: a red wedge drives into a white circle."""
    canvas = Canvas(69.2, 48.5, _PAPER)
    low = canvas.bottom
    canvas.polygon([(45, 0), (100, 0), (100, low), (84, low), (32, 30)], _BLACK)
    canvas.disc(64.0, 34.0, 24.5, "#efe8d6")
    canvas.polygon([(10, 13), (32, 3.5), (70, 40)], _RED)
    canvas.bar((13, 30), 15, 1.4, 25, "#8d8878")
    canvas.bar((19, 38), 13, 3.6, 25, _RED)
    canvas.bar((33, 47), 9, 2.0, 35, _BLACK)
    canvas.polygon([(37, 50), (42, 48.5), (45.5, 55)], _RED)
    canvas.polygon([(47, 4), (52, 3), (50.5, 8)], _RED)
    canvas.polygon([(53, 8), (56.5, 7.5), (56, 11)], _RED)
    canvas.bar((84, 9), 11, 1.5, 38, "#d9d0ba")
    canvas.bar((90, 15), 8, 2.8, 38, "#8d8878")
    canvas.bar((93, 58), 11, 1.2, 38, "#d9d0ba")
    canvas.bar((7, 65), 9, 2.2, -20, "#8d8878")
    canvas.arc((64.0, 34.0), 26.5, (300, 350), 0.5, "#8d8878")
    canvas.line([(3, 20), (28, 60)], 0.4, _BLACK)
    _letters(canvas, "КЛИНОМ", (5, 46), 1.3, 24)
    _letters(canvas, "КРАСНЫМ", (33, 58), 1.15, 15)
    _letters(canvas, "БЕЙ", (4, 8), 1.2, -22)
    _letters(canvas, "БЕЛЫХ", (61, 48), 1.2, -24)
    return canvas.finish()


def proun_99() -> Image.Image:
    """Proun 99, about 1923-25, 129.5 x 99.1 cm: a cube hovers over a grid that runs to a point."""
    canvas = Canvas(99.1, 129.5, "#c9c6bb")
    low = canvas.bottom
    canvas.rect(0, 0, 50, low, "#d6d3c9")
    canvas.polygon([(50, 0), (100, 0), (100, low), (50, low)], "#bebbb0")
    canvas.sector((50, 27), 24, (180, 360), "#2a2827")
    canvas.sector((50, 27), 24, (0, 180), "#e6e3da")
    canvas.sector((50, 27), 15, (180, 360), "#8c8a83")
    canvas.sector((50, 27), 15, (0, 180), "#aeaba1")
    canvas.line([(50, 0), (50, low)], 0.5, "#3a3836")
    for step in range(13):
        canvas.line([(14 + 6 * step, low - 10), (32 + 3 * step, 96)], 0.45, "#34322f")
    for step in range(7):
        depth = (step / 6) ** 1.4
        y = 96 + (low - 10 - 96) * depth
        canvas.line(
            [(32 - 18 * (y - 96) / (low - 106), y), (68 + 18 * (y - 96) / (low - 106), y)],
            0.45,
            "#34322f",
        )
    canvas.polygon([(50, 48), (66, 57), (50, 66), (34, 57)], "#f0ede4")
    canvas.polygon([(34, 57), (50, 66), (50, 85), (34, 76)], "#222020")
    canvas.polygon([(66, 57), (50, 66), (50, 85), (66, 76)], "#b58a34")
    canvas.line([(8, 96), (34, 76)], 0.4, "#4a4743")
    canvas.line([(92, 96), (66, 76)], 0.4, "#4a4743")
    canvas.arc((50, 64), 42, (200, 340), 0.5, "#6b6760")
    canvas.rect(72, 40, 88, 42.5, "#a63a26")
    return canvas.finish()


def green_stripe() -> Image.Image:
    """Green Stripe, 1917, 71.5 x 49 cm: one brushed green band down a white ground."""
    canvas = Canvas(49.0, 71.5, "#e7e3d3")
    low = canvas.bottom
    canvas.polygon([(37.0, 0), (63.5, 0), (62.8, low), (36.2, low)], "#3f8a5a")
    for index in range(26):
        x = 37.2 + index
        shade = ("#4a9766", "#37804f", "#5aa374", "#327848")[index * 7 % 4]
        top = (index * 37) % 60
        canvas.line([(x, top), (x - 0.4, top + 78)], 0.5, shade)
    return canvas.finish()


def space_force_construction() -> Image.Image:
    """Space-Force Construction, 1921, 112.7 x 112.7 cm: dark beams crossing on bare plywood."""
    canvas = Canvas(112.7, 112.7, "#bd8d57")
    for index in range(26):
        y = 4 * index + (index * 5 % 3)
        canvas.line([(0, y), (40, y + 1.2), (100, y - 0.6)], 0.35, "#b2824d")
    canvas.bar((46, 50), 118, 5.5, -52, "#2a2628")
    canvas.bar((58, 47), 112, 3.2, -62, "#d9d3c4")
    canvas.bar((36, 55), 104, 2.4, -44, "#2a2628")
    canvas.bar((52, 42), 108, 6.0, 34, "#3b4a63")
    canvas.bar((49, 58), 110, 3.0, 28, "#2a2628")
    canvas.bar((55, 70), 96, 4.6, 40, "#8f3426")
    canvas.bar((70, 40), 86, 2.2, 74, "#2a2628")
    canvas.bar((25, 50), 90, 3.4, 80, "#d9d3c4")
    canvas.arc((52, 54), 33, (200, 395), 3.2, "#2a2628")
    canvas.arc((56, 50), 23, (60, 260), 2.4, "#3b4a63")
    canvas.polygon([(60, 27), (74, 19), (69, 40)], "#2a2628", 0.75)
    canvas.polygon([(30, 66), (44, 62), (38, 82)], "#2a2628", 0.75)
    return canvas.finish()


def telephone_picture() -> Image.Image:
    """EM 2 (Telephone Picture), 1923, 47.5 x 30.1 cm: a black band and two small crosses."""
    canvas = Canvas(30.1, 47.5, "#e9e7dd")
    low = canvas.bottom
    canvas.rect(20, 0, 37.5, low, "#151415")
    canvas.rect(64, 21, 67, 51, "#151415")
    canvas.rect(52, 29, 80, 33.5, "#e2b723")
    canvas.rect(64, 29, 67, 33.5, "#151415")
    canvas.rect(24, 111, 66, 115, "#c2281d")
    canvas.rect(46, 97, 52, 136, "#e2b723")
    canvas.rect(46, 111, 52, 115, "#c2281d")
    return canvas.finish()


def _letters(canvas: Canvas, text: str, start: Point, unit: float, angle: float) -> None:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    for index, letter in enumerate(text):
        for stroke in _STROKES[letter]:
            points = []
            for x, y in stroke:
                dx, dy = (x + 2.9 * index) * unit, y * unit
                points.append((start[0] + dx * cos - dy * sin, start[1] + dx * sin + dy * cos))
            canvas.line(points, 0.75, _BLACK)
