"""Robert Delaunay, Paul Klee and Sophie Taeuber-Arp: four pictures built of colour fields."""

from PIL import Image

from deploy.expart_mini.drawings.canvas import Canvas

# Rings of the disc from the outside in; each names its upper right, lower right, lower left and
# upper left quarter.
_DISC_RINGS = (
    ("#2b3a78", "#b8322b", "#dfe0d4", "#c9b23c"),
    ("#d9a93a", "#2d6d58", "#2f4d93", "#b23a38"),
    ("#4d8a63", "#d58a35", "#a83339", "#39549a"),
    ("#b8422f", "#36508f", "#d9c04a", "#4f8f6b"),
    ("#dcd8c5", "#8f2f47", "#3f7d5f", "#d98f3b"),
    ("#3a5ca6", "#d9ba42", "#20233f", "#c04a34"),
    ("#c8372c", "#2f62a8", "#2f62a8", "#c8372c"),
)


def le_premier_disque() -> Image.Image:
    """Le Premier Disque, 1912-13, 134 cm across: seven rings cut into four quarters."""
    canvas = Canvas(134.0, 134.0, "#efece4")
    for index, quarters in enumerate(_DISC_RINGS):
        radius = 49.0 * (7 - index) / 7
        for start, colour in zip((270, 0, 90, 180), quarters, strict=True):
            canvas.sector((50, 50), radius, (start, start + 90), colour)
    return canvas.finish()


def senecio() -> Image.Image:
    """Senecio, 1922, 40.5 x 38 cm: a round patchwork face on orange, with two red eyes."""
    canvas = Canvas(38.0, 40.5, "#e0923f")
    low = canvas.bottom
    canvas.rect(0, 0, 100, 8, "#d98a38")
    canvas.polygon([(38, 84), (62, 84), (64, low), (36, low)], "#edc08c")
    canvas.polygon([(14, low), (36, 97), (64, 97), (86, low)], "#e7b27a")
    x, y, r = 50.0, 49.0, 38.0
    canvas.disc(x, y, r, "#edc58e")
    canvas.sector((x, y), r, (180, 270), "#efc98f")
    canvas.sector((x, y), r, (270, 360), "#e9b264")
    canvas.sector((x, y), r, (0, 90), "#e8a99a")
    canvas.sector((x, y), r, (90, 180), "#f0dcc0")
    canvas.rect(26, 16.5, 50, 34, "#e8a45c")
    canvas.rect(50, 12, 63, 40, "#f3e2c4")
    canvas.rect(63, 16, 76, 40, "#e3893f")
    canvas.rect(14, 40, 26, 58, "#e4a3a0")
    canvas.rect(26, 60, 44, 74, "#e6c87e")
    canvas.rect(56, 62, 74, 75, "#efe0c6")
    canvas.rect(74, 40, 86, 58, "#d98f4e")
    canvas.polygon([(22, 40), (34, 30), (46, 38)], "#f4ead8")
    canvas.polygon([(52, 37), (64, 23), (80, 37)], "#e6cf58")
    canvas.arc((35, 40), 13, (195, 335), 1.4, "#5c3a26")
    for eye_x, eye_y in ((35, 49), (66, 45.5)):
        canvas.disc(eye_x, eye_y, 10, "#f3d9a4")
        canvas.ring(eye_x, eye_y, 10, 0.8, "#8d3a20")
        canvas.disc(eye_x + 0.8, eye_y, 5.2, "#c22d20")
        canvas.disc(eye_x + 1, eye_y, 1.8, "#5b1610")
    canvas.line([(50, 12), (50, 62), (55, 66), (48, 67)], 0.8, "#8d4a2a")
    canvas.rect(43, 72, 48, 76.5, "#b53328")
    canvas.rect(51, 72, 56, 76.5, "#b53328")
    canvas.ring(x, y, r, 0.7, "#b8672c")
    return canvas.finish()


def castle_and_sun() -> Image.Image:
    """Castle and Sun, 1928, 50 x 59 cm: a town of coloured blocks under an orange sun."""
    canvas = Canvas(59.0, 50.0, "#3a2320")
    low = canvas.bottom
    colours = (
        "#b5382a",
        "#d9a13a",
        "#5d7d4e",
        "#8a3d5c",
        "#c96f34",
        "#3f6f86",
        "#e0c06a",
        "#7a2f2a",
        "#a9a45a",
        "#4c4a78",
        "#d4573a",
        "#c9b08a",
        "#2f5a50",
    )
    rows = 14
    cell_h = (low - 4) / rows
    tops = (7, 6, 5, 7, 4, 3, 5, 2, 3, 5, 6, 4, 6, 7, 5, 8, 7, 6)
    cell_w = 96 / len(tops)
    for column, top in enumerate(tops):
        x = 2 + column * cell_w
        for row in range(top, rows):
            y = 2 + row * cell_h
            colour = colours[(column * 5 + row * 3 + row * column // 4) % len(colours)]
            canvas.rect(x + 0.25, y + 0.25, x + cell_w - 0.25, y + cell_h - 0.25, colour)
            if (column + 2 * row) % 5 == 0 or (row == top and column % 2 == 0):
                roof = colours[(column * 7 + row + 4) % len(colours)]
                if row == top:
                    canvas.rect(x, y, x + cell_w, y + cell_h, "#3a2320")
                canvas.polygon(
                    [
                        (x + 0.3, y + cell_h - 0.25),
                        (x + cell_w / 2, y + 0.3),
                        (x + cell_w - 0.3, y + cell_h - 0.25),
                    ],
                    roof,
                )
    canvas.disc(74, 13, 7.2, "#e8902c")
    canvas.disc(74, 13, 5.6, "#f0aa3c")
    return canvas.finish()


def vertical_horizontal_composition() -> Image.Image:
    """Vertical-Horizontal Composition, 1916, 50 x 38.5 cm, in wool: upright and lying blocks."""
    canvas = Canvas(38.5, 50.0, "#d3c6a6")
    blocks = (
        (0, 0, 30, 20, "#2f3550"),
        (30, 0, 70, 10, "#c5b48e"),
        (70, 0, 100, 20, "#a93a2c"),
        (30, 10, 42, 50, "#d8a045"),
        (42, 10, 58, 60, "#1f1e22"),
        (58, 10, 70, 40, "#ddd2b6"),
        (70, 20, 84, 70, "#4f6a8c"),
        (84, 20, 100, 50, "#ddd2b6"),
        (0, 20, 14, 70, "#a93a2c"),
        (14, 20, 30, 50, "#ddd2b6"),
        (14, 50, 42, 60, "#8f9a86"),
        (58, 40, 70, 90, "#a93a2c"),
        (14, 60, 58, 72, "#c5b48e"),
        (84, 50, 100, 80, "#1f1e22"),
        (0, 70, 14, 100, "#1f1e22"),
        (14, 72, 28, 118, "#4f6a8c"),
        (28, 72, 58, 84, "#2f3550"),
        (28, 84, 44, 118, "#a93a2c"),
        (44, 84, 58, 108, "#ddd2b6"),
        (70, 70, 84, 104, "#d8a045"),
        (84, 80, 100, 118, "#8f9a86"),
        (58, 90, 70, 130, "#1f1e22"),
        (0, 100, 14, 130, "#d8a045"),
        (70, 104, 84, 130, "#ddd2b6"),
        (44, 108, 58, 130, "#d8a045"),
        (14, 118, 44, 130, "#c5b48e"),
        (84, 118, 100, 130, "#2f3550"),
    )
    for x0, y0, x1, y1, colour in blocks:
        canvas.rect(x0, y0, x1, y1, colour)
    step = 1.0
    for index in range(int(canvas.bottom / step)):
        canvas.rect(0, index * step, 100, index * step + 0.28, "#1a1512", alpha=0.10)
    return canvas.finish()
