"""Wassily Kandinsky: the three many-figured pictures of his Bauhaus years."""

from PIL import Image

from deploy.expart_mini.drawings.canvas import Canvas, Point, curve

_INK = "#1d1b1e"


def composition_viii() -> Image.Image:
    """Composition VIII, 1923, 140 x 201 cm: circles, angles and grids on a pale ground."""
    canvas = Canvas(201.0, 140.0, "#ebe5d2")
    low = canvas.bottom
    canvas.rect(0, 52, 40, low, "#dfe3dc")
    canvas.polygon([(0, 56), (22, 44), (34, low), (0, low)], "#c9dbe4")
    canvas.halo(14.5, 14.5, 9, 13, "#e58a94")
    canvas.disc(14.5, 14.5, 10.0, _INK)
    canvas.disc(14.5, 14.5, 8.0, "#3b2a52")
    canvas.disc(16.5, 12.8, 4.4, "#8f3f86")
    canvas.disc(21.5, 22.8, 3.2, "#d9472f")
    canvas.polygon([(41, 63), (56.5, 13), (73, 63)], "#a9cadb", 0.85)
    canvas.polygon([(48, 63), (56.5, 34), (65, 63)], "#efd77a", 0.8)
    canvas.line([(41, 63), (56.5, 13), (73, 63)], 0.7, _INK)
    canvas.line([(24, 67), (80, 8)], 0.5, _INK)
    canvas.line([(6, 40), (98, 26)], 0.35, _INK)
    canvas.line([(30, 6), (90, 60)], 0.35, _INK)
    canvas.line([(2, 66), (52, 40)], 0.6, _INK)
    canvas.line([(60, 4), (96, 66)], 0.5, _INK)
    for cx, cy, radius, fill, glow in (
        (33, 46, 4.0, "#2f57a8", "#e6cf5a"),
        (24, 37, 2.4, "#efc63a", "#7fb3d0"),
        (82, 48, 3.0, "#efc63a", "#7fb3d0"),
        (68, 20, 2.4, "#c93a2f", "#efd77a"),
        (90, 14, 3.2, "#3f8f8a", "#e9a9a6"),
        (44, 23, 2.0, "#efc63a", "#d98a9a"),
        (11, 60, 2.6, "#d9472f", "#efd77a"),
        (61, 54, 2.2, "#7a3f8f", "#e9a9a6"),
    ):
        canvas.halo(cx, cy, radius, radius * 1.8, glow)
        canvas.disc(cx, cy, radius, fill)
        canvas.ring(cx, cy, radius, 0.35, _INK)
    for index, colour in enumerate(("#2f57a8", "#e8e2d0", "#c93a2f", "#efc63a")):
        canvas.sector((84, 34), 8.4 - 1.9 * index, (180, 360), colour)
    canvas.arc((84, 34), 8.4, (180, 360), 0.5, _INK)
    canvas.sector((44, 60), 4.6, (180, 360), "#d98a9a")
    canvas.arc((44, 60), 4.6, (180, 360), 0.5, _INK)
    for index in range(4):
        canvas.arc((28 + 5 * index, 58 + index), 2.5, (180, 360), 0.6, _INK)
    _grid(canvas, (76, 52), (5, 4), 2.6, ("#c93a2f", "#e8e2d0", "#2f57a8", "#efc63a"))
    _grid(canvas, (64, 5), (4, 3), 2.4, ("#e8e2d0", "#3f8f8a", "#efd77a"))
    canvas.polygon([(36, 10), (50, 16), (38, 18)], "#e0a63a", 0.85)
    canvas.line([(36, 10), (50, 16), (38, 18)], 0.4, _INK)
    for index in range(6):
        canvas.line([(4 + 2.2 * index, 44), (9 + 2.2 * index, 53)], 0.35, _INK)
    return canvas.finish()


def on_white_ii() -> Image.Image:
    """On White II, 1923, 105 x 98 cm: two black diagonals cross over colour on white."""
    canvas = Canvas(98.0, 105.0, "#f0eee6")
    canvas.polygon([(28, 22), (72, 16), (80, 66), (34, 78)], "#e4b860", 0.85)
    canvas.polygon([(40, 30), (66, 24), (70, 52), (44, 60)], "#c9552f", 0.9)
    canvas.polygon([(22, 46), (46, 38), (52, 70), (26, 76)], "#7d5f9a", 0.75)
    canvas.polygon([(58, 50), (82, 44), (86, 70), (62, 78)], "#5f8fb5", 0.8)
    canvas.polygon([(46, 44), (60, 40), (64, 58), (50, 62)], "#efd54a")
    canvas.polygon([(5, 100), (9, 103), (92, 10), (96, 3)], _INK)
    canvas.polygon([(10, 6), (18, 10), (90, 86), (86, 89)], _INK)
    canvas.disc(37, 50, 4.4, "#2f4f9a")
    canvas.ring(37, 50, 6.0, 0.6, _INK)
    canvas.disc(66, 35, 5.2, "#d93f2a")
    canvas.disc(66, 35, 2.4, "#f0c63a")
    canvas.disc(28, 33, 3.2, "#3f8a6a")
    canvas.disc(74, 74, 3.4, _INK)
    _grid(canvas, (54, 63), (4, 4), 3.2, (_INK, "#f0eee6", "#c9552f", "#5f8fb5"))
    canvas.sector((40, 79), 8, (200, 380), "#b5384a")
    canvas.arc((40, 79), 11, (200, 380), 0.8, _INK)
    canvas.polygon([(52, 12), (60, 6), (62, 20)], "#3f8a6a")
    canvas.polygon([(16, 62), (26, 58), (22, 72)], "#efd54a")
    for start, end in (
        ((4, 40), (94, 56)),
        ((20, 92), (62, 2)),
        ((46, 102), (92, 34)),
        ((8, 24), (70, 90)),
        ((12, 70), (50, 66)),
        ((70, 20), (96, 26)),
    ):
        canvas.line([start, end], 0.5, _INK)
    canvas.line(curve((72, 84), (84, 98), (95, 76)), 0.9, _INK)
    return canvas.finish()


def yellow_red_blue() -> Image.Image:
    """Yellow-Red-Blue, 1925, 128 x 201.5 cm: bright yellow left, red middle, blue disc right."""
    canvas = Canvas(201.5, 128.0, "#ded6bf")
    low = canvas.bottom
    for cx, cy, radius, colour in (
        (4, 4, 20, "#8f86b5"),
        (2, 58, 18, "#7f8fb8"),
        (96, 6, 20, "#a58fb8"),
        (98, 56, 20, "#8a9cc0"),
        (50, 62, 18, "#b5b0b8"),
        (50, 2, 16, "#c9b5c0"),
    ):
        canvas.halo(cx, cy, 4, radius, colour)
    canvas.halo(26, 27, 14, 24, "#f0d66a")
    canvas.rect(14, 8, 38, 46, "#f0c824")
    canvas.rect(18, 12, 30, 34, "#f4dc5a")
    canvas.rect(24, 34, 42, 54, "#e8b93a", alpha=0.8)
    for index in range(6):
        canvas.line([(8 + index * 1.6, 6), (22 + index * 1.6, 52)], 0.35, _INK)
    canvas.line([(12, 60), (40, 4)], 0.7, _INK)
    canvas.line([(6, 26), (44, 20)], 0.4, _INK)
    canvas.arc((27, 24), 13, (190, 300), 0.8, _INK)
    canvas.disc(21, 20, 2.0, "#c9372a")
    canvas.disc(32, 19, 2.4, "#f0eee0")
    canvas.ring(32, 19, 2.4, 0.4, _INK)
    canvas.polygon([(46, 14), (62, 10), (66, 44), (50, 50)], "#c93226")
    canvas.polygon([(52, 22), (70, 18), (64, 52), (48, 46)], "#b52a3a", 0.75)
    _grid(canvas, (53, 12), (4, 4), 2.2, ("#f0eee0", _INK, "#e8b93a", "#7a3f6f"))
    canvas.polygon([(56, 36), (66, 34), (62, 48)], "#e9a04a")
    canvas.halo(77, 31, 14, 21, "#9fb3d6")
    canvas.disc(77, 31, 15.0, "#27489a")
    canvas.disc(73, 27, 6.0, "#4a2f6f", 0.85)
    canvas.disc(82, 36, 4.2, "#3f86b0")
    canvas.polygon([(64, 48), (76, 44), (72, 56)], "#5f3f7a", 0.85)
    snake = [
        *curve((66, 4), (94, 2), (90, 18)),
        *curve((90, 18), (86, 30), (92, 40)),
        *curve((92, 40), (98, 54), (80, 57)),
        *curve((80, 57), (70, 57), (72, 51)),
    ]
    canvas.line(snake, 1.7, _INK)
    canvas.line([(50, low - 2), (92, 4)], 0.5, _INK)
    canvas.line([(58, 58), (98, 48)], 0.4, _INK)
    return canvas.finish()


def _grid(
    canvas: Canvas,
    corner: Point,
    shape: tuple[int, int],
    cell: float,
    colours: tuple[str, ...],
) -> None:
    (left, top), (columns, rows) = corner, shape
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * cell, top + row * cell
            colour = colours[(column + row * 2 + row // 2) % len(colours)]
            canvas.rect(x, y, x + cell, y + cell, colour)
    right, bottom = left + columns * cell, top + rows * cell
    for column in range(columns + 1):
        canvas.line([(left + column * cell, top), (left + column * cell, bottom)], 0.3, _INK)
    for row in range(rows + 1):
        canvas.line([(left, top + row * cell), (right, top + row * cell)], 0.3, _INK)
