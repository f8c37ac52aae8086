"""Kazimir Malevich: seven Suprematist pictures of 1915 and 1918."""

import math

from PIL import Image

from deploy.expart_mini.drawings.canvas import Canvas

_BLACK = "#211e1d"
_CHALK = "#e9e3d5"
_RED = "#cf2e22"
_CRACK = "#6f6a61"


def black_square() -> Image.Image:
    """Black Square, 1915, 79.5 x 79.5 cm: a slightly uneven square, its paint now cracked."""
    canvas = Canvas(79.5, 79.5, "#e6dfcf")
    canvas.polygon([(15.8, 15.2), (84.6, 16.1), (84.1, 84.9), (15.2, 84.0)], _BLACK)
    cracks = (
        [(18, 33), (29, 30), (37, 35), (52, 31), (66, 36), (82, 32)],
        [(20, 66), (33, 70), (45, 64), (58, 69), (71, 63), (83, 67)],
        [(37, 18), (34, 35), (40, 52), (36, 68), (40, 82)],
        [(66, 18), (63, 34), (67, 50), (62, 66), (66, 82)],
        [(40, 52), (52, 48), (67, 50), (80, 46)],
    )
    for crack in cracks:
        canvas.line(crack, 0.3, _CRACK)
    return canvas.finish()


def black_circle() -> Image.Image:
    """Black Circle, motif of 1915, 105.5 x 105.5 cm: a disc up and right of the middle."""
    canvas = Canvas(105.5, 105.5, "#ece8dd")
    canvas.disc(57.5, 43.0, 33.0, _BLACK)
    return canvas.finish()


def black_cross() -> Image.Image:
    """Black Cross, 1915, 80 x 79.5 cm: two broad, slightly uneven bars reaching near the edges."""
    canvas = Canvas(79.5, 80.0, "#e8e2d3")
    canvas.polygon([(36.0, 7.5), (63.5, 6.5), (64.2, 93.2), (37.4, 94.0)], _BLACK)
    canvas.polygon([(6.5, 36.8), (93.4, 35.6), (94.0, 63.0), (7.0, 64.6)], _BLACK)
    return canvas.finish()


def red_square() -> Image.Image:
    """Red Square, 1915, 53 x 53 cm: its right edge pulled up and outward."""
    canvas = Canvas(53.0, 53.0, "#ece7dc")
    canvas.polygon([(11.5, 13.0), (91.5, 8.0), (87.0, 88.5), (12.5, 87.0)], "#d62c1a")
    return canvas.finish()


def white_on_white() -> Image.Image:
    """White on White, 1918, 79.4 x 79.4 cm: a cool white square adrift on a warm white ground."""
    canvas = Canvas(79.4, 79.4, "#e3dac6")
    corners = [(36.7, 6.8), (96.0, 17.4), (85.5, 76.8), (26.2, 66.2)]
    canvas.polygon(corners, "#e9ebe9")
    canvas.line([*corners, corners[0]], 0.5, "#b9b3a5")
    return canvas.finish()


def airplane_flying() -> Image.Image:
    """Airplane Flying, 1915, 58.1 x 48.3 cm: thirteen slanting bars in four colours."""
    canvas = Canvas(48.3, 58.1, "#eae4d4")
    yellow, blue = "#edb81c", "#2c4a92"
    tilt = -30.0
    canvas.bar((39, 22), 47, 9, tilt, _BLACK)
    canvas.bar((60, 31), 23, 20, tilt, _BLACK)
    canvas.bar((29, 42), 22, 5, tilt, _BLACK)
    canvas.bar((55, 58), 36, 21, tilt + 3, yellow)
    canvas.bar((29, 60), 10, 9, tilt + 3, yellow)
    canvas.bar((80, 66), 20, 5, tilt + 3, yellow)
    canvas.bar((52, 75), 34, 4, tilt + 3, yellow)
    canvas.bar((72, 76), 15, 3.2, tilt + 3, yellow)
    canvas.bar((81, 80), 21, 2.6, tilt + 3, yellow)
    canvas.bar((87, 46), 40, 3.4, tilt + 90, _RED)
    canvas.bar((29, 89), 17, 7, tilt + 3, _RED)
    canvas.bar((52, 91), 52, 1.8, tilt + 5, blue)
    canvas.bar((60, 99), 40, 1.8, tilt + 5, blue)
    return canvas.finish()


def eight_red_rectangles() -> Image.Image:
    """Eight Red Rectangles, 1915, 57.5 x 48.5 cm: parallel bars rising to the right."""
    canvas = Canvas(48.5, 57.5, "#ede6d6")
    tilt = -33.0
    # Laid out along and across the common slant, from the middle of the canvas.
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    for along, across, length, thickness in (
        (12, -40, 26, 5),
        (-8, -26, 44, 14),
        (27, -26, 18, 9),
        (-5, -11, 58, 8),
        (-27, 4, 20, 12),
        (9, 2, 42, 4),
        (-2, 20.5, 40, 7),
        (31, 13.5, 14, 5),
    ):
        centre = (50 + along * cos - across * sin, 62 + along * sin + across * cos)
        canvas.bar(centre, length, thickness, tilt, _RED)
    return canvas.finish()
