"""Piet Mondrian and Theo van Doesburg: four pictures of De Stijl."""

from PIL import Image

from deploy.expart_mini.drawings.canvas import Canvas

_BLACK = "#1b1a1b"
_RED = "#cb2a1e"
_YELLOW = "#edc02a"
_BLUE = "#21428f"


def tableau_i() -> Image.Image:
    """Tableau I, 1921, 103 x 100 cm: a grid of black lines round planes of colour, some open."""
    canvas = Canvas(100.0, 103.0, "#dfe1de")
    canvas.rect(0, 0, 11, 26, "#d3d8da")
    canvas.rect(13, 0, 60, 28, "#e4e4df")
    canvas.rect(62, 0, 100, 28, _RED)
    canvas.rect(0, 28, 30, 62, _YELLOW)
    canvas.rect(32, 30, 76, 78, "#e8e7e1")
    canvas.rect(78, 30, 100, 56, "#cfd5d8")
    canvas.rect(78, 58, 100, 79, _BLACK)
    canvas.rect(0, 80, 31, 103, _BLUE)
    canvas.rect(33, 80, 58, 103, "#d5dadb")
    canvas.rect(78, 80, 100, 103, _YELLOW)
    for x, top, bottom in ((11, 0, 28), (60, 0, 30), (30, 28, 103), (76, 28, 103), (58, 78, 103)):
        canvas.rect(x, top, x + 2.2, bottom, _BLACK)
    for y, left, right in ((27.8, 0, 100), (61.5, 0, 31), (78, 0, 100), (56, 77, 100)):
        canvas.rect(left, y, right, y + 2.2, _BLACK)
    return canvas.finish()


def composition_ii() -> Image.Image:
    """Composition II, 1929, 45 x 45 cm: black bars of unequal width round one large white plane."""
    canvas = Canvas(45.0, 45.0, "#e9e8e3")
    canvas.rect(0, 0, 22, 41, _RED)
    canvas.rect(0, 78, 22, 100, _BLUE)
    canvas.rect(74, 89, 100, 100, _YELLOW)
    canvas.rect(20.5, 0, 24.0, 100, _BLACK)
    canvas.rect(0, 39.5, 22, 44.5, _BLACK)
    canvas.rect(0, 74.5, 100, 78.0, _BLACK)
    canvas.rect(71.0, 76, 74.5, 100, _BLACK)
    canvas.rect(72, 86.0, 100, 90.0, _BLACK)
    return canvas.finish()


def rhythm_of_a_russian_dance() -> Image.Image:
    """Rhythm of a Russian Dance, 1918, 135.9 x 61.6 cm: separate bars turning like a dancer."""
    canvas = Canvas(61.6, 135.9, "#e6e0cf")
    t = 5.6
    bars = (
        ("h", 38, 10, 22, _BLACK),
        ("v", 65, 10, 26, _YELLOW),
        ("h", 42, 24, 18, _RED),
        ("v", 32, 20, 36, _BLUE),
        ("h", 42, 44, 40, _BLACK),
        ("v", 88, 30, 36, _BLACK),
        ("v", 76, 54, 30, _RED),
        ("h", 52, 62, 19, _YELLOW),
        ("v", 42, 58, 40, _BLACK),
        ("h", 10, 74, 26, _BLUE),
        ("v", 10, 84, 42, _BLACK),
        ("h", 20, 92, 18, _RED),
        ("v", 54, 76, 50, _BLACK),
        ("h", 64, 92, 26, _BLUE),
        ("v", 84, 102, 34, _YELLOW),
        ("h", 22, 108, 26, _YELLOW),
        ("v", 28, 120, 38, _BLACK),
        ("h", 38, 130, 30, _RED),
        ("v", 72, 108, 34, _BLACK),
        ("h", 38, 144, 46, _BLACK),
        ("v", 60, 154, 36, _BLUE),
        ("h", 18, 164, 36, _BLACK),
        ("v", 42, 174, 30, _YELLOW),
        ("h", 52, 196, 26, _RED),
        ("v", 84, 160, 42, _BLACK),
        ("h", 20, 208, 28, _BLACK),
    )
    for direction, x, y, length, colour in bars:
        if direction == "h":
            canvas.rect(x, y, x + length, y + t, colour)
        else:
            canvas.rect(x, y, x + t, y + length, colour)
    return canvas.finish()


def counter_composition_v() -> Image.Image:
    """Counter-Composition V, 1924, 100 x 100 cm: planes turned by 45 degrees, cut by the edges."""
    canvas = Canvas(100.0, 100.0, "#dcdcd8")
    # Bounds along the two diagonals: down-right distance x + y, up-right distance x - y.
    for down0, down1, up0, up1, colour in (
        (0, 34, -100, 100, _BLUE),
        (72, 128, 0, 36, "#ecebe6"),
        (72, 128, 36, 100, _BLACK),
        (72, 128, -58, 0, _RED),
        (128, 200, 36, 100, _YELLOW),
        (128, 200, 0, 36, "#cfd1d0"),
        (128, 200, -58, 0, _BLUE),
        (72, 200, -100, -58, _BLACK),
    ):
        corners = ((down0, up0), (down1, up0), (down1, up1), (down0, up1))
        canvas.polygon([((down + up) / 2, (down - up) / 2) for down, up in corners], colour)
    for start, end in (((72, 0), (0, 72)), ((36, 36), (100, 100)), ((100, 28), (28, 100))):
        canvas.line([start, end], 1.0, _BLACK)
    return canvas.finish()
