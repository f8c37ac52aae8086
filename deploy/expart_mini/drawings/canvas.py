"""A small drawing surface in the artwork's own proportions.

Coordinates: x runs from 0 to 100 over the width, y from 0 downwards in the same unit, so a circle
stays round and `Canvas.bottom` is the height in that unit. Angles are in degrees, clockwise on
screen, 0 pointing right.
"""

import math
from collections.abc import Sequence

from PIL import Image, ImageColor, ImageDraw

LONG_SIDE_PX = 336
"""Length of a finished picture's longer side."""

SUPERSAMPLING = 4
"""Shapes are drawn this many times larger, then averaged in blocks, for clean edges."""

Point = tuple[float, float]

_HALO_STEPS = 24


class Canvas:
    """Draws flat shapes on a ground with an artwork's aspect ratio."""

    def __init__(self, width_cm: float, height_cm: float, ground: str) -> None:
        longer = max(width_cm, height_cm)
        size = (
            SUPERSAMPLING * round(LONG_SIDE_PX * width_cm / longer),
            SUPERSAMPLING * round(LONG_SIDE_PX * height_cm / longer),
        )
        self._image = Image.new("RGB", size, ground)
        self._pen = ImageDraw.Draw(self._image, "RGBA")
        self._scale = size[0] / 100.0
        self.bottom = 100.0 * size[1] / size[0]

    def polygon(self, points: Sequence[Point], fill: str, alpha: float = 1.0) -> None:
        """Fills a polygon; `alpha` (0 to 1) lets what is beneath show through."""
        self._pen.polygon(self._px(points), fill=_rgba(fill, alpha))

    def rect(
        self, x0: float, y0: float, x1: float, y1: float, fill: str, *, alpha: float = 1.0
    ) -> None:
        """Fills an upright rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill, alpha)

    def bar(
        self,
        centre: Point,
        length: float,
        thickness: float,
        angle: float,
        fill: str,
        *,
        alpha: float = 1.0,
    ) -> None:
        """Fills a rectangle turned by `angle` about its centre."""
        self.polygon(bar_corners(centre, length, thickness, angle), fill, alpha)

    def disc(self, x: float, y: float, radius: float, fill: str, alpha: float = 1.0) -> None:
        """Fills a circle."""
        self._pen.ellipse(self._box(x, y, radius), fill=_rgba(fill, alpha))

    def ring(self, x: float, y: float, radius: float, width: float, fill: str) -> None:
        """Draws a circle's outline, `width` wide, inside `radius`."""
        px = max(1, round(width * self._scale))
        self._pen.ellipse(self._box(x, y, radius), outline=_rgba(fill, 1.0), width=px)

    def sector(self, centre: Point, radius: float, span: Point, fill: str) -> None:
        """Fills the slice of a circle between the two angles of `span`."""
        box = self._box(*centre, radius)
        self._pen.pieslice(box, span[0], span[1], fill=_rgba(fill, 1.0))

    def arc(self, centre: Point, radius: float, span: Point, width: float, fill: str) -> None:
        """Draws part of a circle's outline between the two angles of `span`."""
        px = max(1, round(width * self._scale))
        box = self._box(*centre, radius)
        self._pen.arc(box, span[0], span[1], fill=_rgba(fill, 1.0), width=px)

    def line(self, points: Sequence[Point], width: float, fill: str) -> None:
        """Draws an open line through the points."""
        px = max(1, round(width * self._scale))
        self._pen.line(self._px(points), fill=_rgba(fill, 1.0), width=px, joint="curve")

    def halo(self, x: float, y: float, inner: float, outer: float, fill: str) -> None:
        """Draws a soft glow that fades from radius `inner` to radius `outer`."""
        for step in range(_HALO_STEPS):
            radius = outer + (inner - outer) * step / (_HALO_STEPS - 1)
            self.disc(x, y, radius, fill, alpha=0.09)

    def finish(self) -> Image.Image:
        """Returns the picture at its final size."""
        return self._image.reduce(SUPERSAMPLING)

    def _px(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def _box(self, x: float, y: float, radius: float) -> tuple[float, float, float, float]:
        scale = self._scale
        return (
            (x - radius) * scale,
            (y - radius) * scale,
            (x + radius) * scale,
            (y + radius) * scale,
        )


def bar_corners(centre: Point, length: float, thickness: float, angle: float) -> list[Point]:
    """Returns the corners of a rectangle turned by `angle` about its centre."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = []
    for along, across in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        dx, dy = along * length / 2, across * thickness / 2
        corners.append((centre[0] + dx * cos - dy * sin, centre[1] + dx * sin + dy * cos))
    return corners


def curve(start: Point, control: Point, end: Point, steps: int = 32) -> list[Point]:
    """Returns points along the quadratic Bézier curve from `start` to `end`."""
    points = []
    for step in range(steps + 1):
        t = step / steps
        points.append(
            (
                (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * control[0] + t * t * end[0],
                (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * control[1] + t * t * end[1],
            )
        )
    return points


def _rgba(colour: str, alpha: float) -> tuple[int, int, int, int]:
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue, round(255 * alpha)
