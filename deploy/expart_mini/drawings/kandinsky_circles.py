"""Wassily Kandinsky: the three pictures made of circles."""

import math

from PIL import Image

from deploy.expart_mini.drawings.canvas import Canvas

# One row of the sheet per line; each cell lists its ground and then its rings from the outside in.
_CONCENTRIC_CELLS = (
    (
        ("#5a7fa8", "#d9563a", "#e8cf5a", "#2f4a8a", "#e9e1cf", "#b5302a"),
        ("#d8b23c", "#7a4a86", "#dfe0cf", "#c83a2c", "#3f7f5a", "#f0d24a"),
        ("#a8402f", "#e8e0c8", "#4a8a8a", "#e6a53a", "#2c2c50", "#d84a32"),
        ("#c9c2d8", "#2f5a9a", "#e6793a", "#f0e3b0", "#8a2f4a", "#3a6f4f"),
    ),
    (
        ("#e2c9a0", "#3a3a6a", "#c93a30", "#6fa86a", "#f0d65a", "#1f2440"),
        ("#3f7a5f", "#e9b54a", "#8a3a5a", "#dfe6e0", "#d8482c", "#27508f"),
        ("#e0d7c4", "#d95a32", "#2f6a8f", "#efd04a", "#7a2f3f", "#e9e9dc"),
        ("#d9763a", "#f0e0a8", "#3a5f3f", "#c0303a", "#4f78b5", "#1f1f33"),
    ),
    (
        ("#8a3340", "#e8d04a", "#3f6fa8", "#e9e0d0", "#d8522f", "#2f5f45"),
        ("#bccbd8", "#c03a2f", "#f0c840", "#2f3f6f", "#e88a3a", "#f0ead8"),
        ("#e6c23f", "#3f5f9f", "#e9e6da", "#a82f3a", "#5f9a6f", "#26264a"),
        ("#4f6a5a", "#e9e0c4", "#d9642f", "#3a2f5f", "#e9c84a", "#c4302a"),
    ),
)


def squares_with_concentric_circles() -> Image.Image:
    """Squares with Concentric Circles, 1913, 23.8 x 31.6 cm: twelve squares, four by three."""
    canvas = Canvas(31.6, 23.8, "#ddd3bf")
    cell_w, cell_h = 25.0, canvas.bottom / 3
    for row, cells in enumerate(_CONCENTRIC_CELLS):
        for column, (ground, *rings) in enumerate(cells):
            left, top = column * cell_w, row * cell_h
            canvas.rect(left + 0.3, top + 0.3, left + cell_w - 0.3, top + cell_h - 0.3, ground)
            x = left + cell_w / 2 + ((row + column) % 3 - 1) * 0.5
            y = top + cell_h / 2 + ((row * 2 + column) % 3 - 1) * 0.5
            for index, colour in enumerate(rings):
                canvas.disc(x, y, (11.7, 9.5, 7.2, 4.9, 2.6)[index], colour)
    return canvas.finish()


def several_circles() -> Image.Image:
    """Several Circles, 1926, 140.3 x 140.7 cm: clear discs floating in a black space."""
    canvas = Canvas(140.7, 140.3, "#16171b")
    canvas.halo(48, 41, 20, 27, "#7f8fa8")
    canvas.disc(48, 41, 21.5, "#2f56a8")
    canvas.disc(44, 36.5, 12.3, "#101114")
    canvas.disc(58.5, 52, 8.4, "#d58aa2", 0.85)
    canvas.disc(67.5, 33.5, 6.8, "#7fae6a", 0.9)
    discs = (
        (77, 22, 4.4, "#e0b83a"),
        (83, 30, 2.0, "#c24a36"),
        (25, 21, 5.6, "#9a4f3a"),
        (20, 28, 3.2, "#d9c9a0"),
        (36, 12, 3.0, "#4f7a86"),
        (61, 13, 2.2, "#e8e2d0"),
        (85, 52, 6.2, "#5f4f8f"),
        (80, 58, 4.0, "#e5d36a"),
        (90, 63, 2.4, "#d07a8a"),
        (68, 70, 9.0, "#c9b43f"),
        (74, 75, 5.4, "#3f8f8f"),
        (62, 79, 3.6, "#d6482f"),
        (50, 76, 5.0, "#6f8fc0"),
        (45, 70, 2.4, "#e9dcb8"),
        (33, 75, 7.4, "#8f3f56"),
        (28, 70, 4.2, "#d9a24a"),
        (18, 62, 4.8, "#3f6f5a"),
        (13, 50, 2.6, "#c9503a"),
        (15, 83, 3.4, "#7a8fb5"),
        (24, 90, 2.2, "#e0c05a"),
        (44, 90, 3.0, "#b55a7a"),
        (57, 91, 1.8, "#e8e2d0"),
        (82, 88, 4.2, "#a84f38"),
        (89, 80, 2.0, "#7fb08a"),
        (12, 14, 2.0, "#7a6fa8"),
        (90, 10, 2.6, "#6a8f9a"),
        (9, 34, 1.8, "#d9c05a"),
    )
    for x, y, radius, colour in discs:
        canvas.halo(x, y, radius, radius * 1.35, "#4a5260")
        canvas.disc(x, y, radius, colour, 0.88)
    canvas.disc(34, 29, 1.8, "#e5d36a")
    canvas.disc(54, 30, 2.6, "#d6482f")
    canvas.disc(52, 47, 3.0, "#e8e2d0", 0.8)
    return canvas.finish()


def circles_in_a_circle() -> Image.Image:
    """Circles in a Circle, 1923, 98.7 x 95.6 cm: discs and lines in a black ring, two beams."""
    canvas = Canvas(95.6, 98.7, "#e9e6dc")
    low = canvas.bottom
    canvas.polygon([(2, 0), (24, 0), (94, low), (62, low)], "#e9d68a", 0.75)
    canvas.polygon([(76, 0), (98, 0), (36, low), (6, low)], "#9dbcc9", 0.75)
    x, y, r = 50.0, low / 2, 41.0
    canvas.ring(x, y, r, 1.7, "#1b1a1d")
    for angle, offset in (
        (-62, -9),
        (-58, 4),
        (-35, 12),
        (-20, -4),
        (15, -12),
        (28, 8),
        (48, -2),
        (62, 10),
        (82, -6),
        (-80, 7),
    ):
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        half = math.sqrt((r - 1) ** 2 - offset**2)
        mid = (x - offset * sin, y + offset * cos)
        canvas.line(
            [
                (mid[0] - half * cos, mid[1] - half * sin),
                (mid[0] + half * cos, mid[1] + half * sin),
            ],
            0.45,
            "#2a282b",
        )
    discs = (
        (34, 32, 10.5, "#3f5f9f"),
        (41, 38, 6.6, "#c9473a"),
        (58, 28, 7.4, "#d9b63a"),
        (66, 36, 9.6, "#8f4f7a"),
        (73, 44, 4.6, "#3f8f7a"),
        (52, 48, 11.0, "#7fa86a"),
        (45, 55, 6.0, "#e0993a"),
        (31, 54, 7.8, "#b5384a"),
        (24, 45, 3.8, "#e5cf5a"),
        (26, 66, 5.2, "#4f7fb0"),
        (38, 71, 8.4, "#d9c24a"),
        (46, 79, 4.6, "#2f4a7a"),
        (58, 70, 9.2, "#c0503a"),
        (66, 62, 6.4, "#5f9ab0"),
        (76, 60, 5.4, "#d98a9a"),
        (70, 74, 4.2, "#1f1f2a"),
        (57, 83, 3.4, "#e5cf5a"),
        (48, 20, 3.6, "#1f1f2a"),
        (40, 22, 2.8, "#d9703a"),
        (66, 21, 3.0, "#4f7fb0"),
        (77, 34, 2.6, "#c9473a"),
        (18, 54, 2.6, "#1f1f2a"),
        (82, 50, 2.4, "#e0993a"),
        (50, 63, 3.2, "#26386a"),
        (34, 43, 2.4, "#efe6c8"),
        (62, 45, 2.8, "#efe6c8"),
    )
    for cx, cy, radius, colour in discs:
        canvas.disc(cx, cy, radius, colour, 0.72)
        canvas.ring(cx, cy, radius, 0.4, "#2a282b")
    return canvas.finish()
