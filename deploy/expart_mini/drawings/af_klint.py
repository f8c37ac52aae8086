"""Hilma af Klint: two pictures of 1915 from the Paintings for the Temple."""

import math

from PIL import Image

from deploy.expart_mini.drawings.canvas import Canvas

_GOLD = "#d9a92e"


def the_swan_no_17() -> Image.Image:
    """The Swan, No. 17, 1915, 150.5 x 151 cm: a disc of halves and quarters on bright red."""
    canvas = Canvas(151.0, 150.5, "#d8451f")
    x, y = 50.0, 50.0
    canvas.sector((x, y), 37, (90, 270), "#f0ead9")
    canvas.sector((x, y), 37, (270, 450), "#17161a")
    canvas.sector((x, y), 27, (90, 180), "#2f5fa8")
    canvas.sector((x, y), 27, (180, 270), "#efc62e")
    canvas.sector((x, y), 27, (270, 360), "#e9a9a6")
    canvas.sector((x, y), 27, (0, 90), "#d9d3c4")
    canvas.sector((x, y), 17, (90, 270), "#17161a")
    canvas.sector((x, y), 17, (270, 450), "#f0ead9")
    canvas.sector((x, y), 8.5, (90, 270), "#efc62e")
    canvas.sector((x, y), 8.5, (270, 450), "#2f5fa8")
    canvas.line([(x, y - 37), (x, y + 37)], 0.5, "#7a2513")
    return canvas.finish()


def altarpiece_no_1() -> Image.Image:
    """Altarpiece No. 1, 1915, 237.5 x 179.5 cm: a stepped spectrum pyramid under a golden sun."""
    canvas = Canvas(179.5, 237.5, "#15161d")
    low = canvas.bottom
    apex_y, sun_y, sun_r = 33.0, 24.0, 17.0
    for index in range(36):
        angle = math.radians(index * 10 + 5)
        reach = 26.0 if index % 2 else 22.5
        side = math.radians(3.2)
        canvas.polygon(
            [
                (50 + sun_r * math.cos(angle - side), sun_y + sun_r * math.sin(angle - side)),
                (50 + reach * math.cos(angle), sun_y + reach * math.sin(angle)),
                (50 + sun_r * math.cos(angle + side), sun_y + sun_r * math.sin(angle + side)),
            ],
            "#e4c35a",
        )
    canvas.disc(50, sun_y, sun_r, _GOLD)
    canvas.disc(50, sun_y, 11.5, "#efcb5b")
    canvas.ring(50, sun_y, sun_r, 0.6, "#a87714")
    left = ("#7a4da0", "#4a57b0", "#2f7fc1", "#35a0a0", "#4ea65a", "#9dbf3d")
    right = ("#f0d23a", "#f0b02c", "#ea8427", "#df5a26", "#cb3227", "#a8254a")
    rows = 18
    for row in range(rows):
        top = apex_y + (low - 4 - apex_y) * row / rows
        bottom = apex_y + (low - 4 - apex_y) * (row + 1) / rows
        half_top = 44.0 * row / rows
        half_bottom = 44.0 * (row + 1) / rows
        for cell in range(6):
            a, b = cell / 6, (cell + 1) / 6
            for sign, palette in ((-1, left), (1, right)):
                colour = palette[(cell + row // 3) % 6]
                canvas.polygon(
                    [
                        (50 + sign * half_top * a, top),
                        (50 + sign * half_top * b, top),
                        (50 + sign * half_bottom * b, bottom),
                        (50 + sign * half_bottom * a, bottom),
                    ],
                    colour,
                    1.0 if row % 2 else 0.86,
                )
    canvas.line([(6, low - 4), (50, apex_y), (94, low - 4)], 0.7, "#e4c35a")
    return canvas.finish()
