"""Marks: what a contender's values are drawn as, told apart by more than their colour."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.sweep.report.charts.svg import Markup, element, line, number

COLOURS = 8

# Outlines around (0, 0), about as large as one another.
_CIRCLE = "M4.5 0A4.5 4.5 0 1 1 -4.5 0A4.5 4.5 0 1 1 4.5 0Z"
_SQUARE = "M-4 -4H4V4H-4Z"
_TRIANGLE = "M0 -5.2L5 3.8H-5Z"
_DIAMOND = "M0 -5.8L5.8 0L0 5.8L-5.8 0Z"
_TRIANGLE_DOWN = "M0 5.2L5 -3.8H-5Z"
_PLUS = "M-1.8 -5.2H1.8V-1.8H5.2V1.8H1.8V5.2H-1.8V1.8H-5.2V-1.8H-1.8Z"
_CROSS = "M-5 -2.4L-2.4 -5L0 -2.6L2.4 -5L5 -2.4L2.6 0L5 2.4L2.4 5L0 2.6L-2.4 5L-5 2.4L-2.6 0Z"
_STAR = "M0 -6.2L1.6 -2.1L5.9 -1.9L2.5 0.9L3.6 5L0 2.6L-3.6 5L-2.5 0.9L-5.9 -1.9L-1.6 -2.1Z"
SHAPES = (_CIRCLE, _SQUARE, _TRIANGLE, _DIAMOND, _TRIANGLE_DOWN, _PLUS, _CROSS, _STAR)

_DASHES = ("", "7 3", "2 3", "9 3 2 3")

RADIUS = 6.5
"""Room that a mark takes to each side, with a little air."""

_CAP = 3.5


@dataclass(frozen=True, slots=True)
class Style:
    """How one contender is drawn.

    Attributes:
        colour: Class of its colour.
        shape: Outline of its marks.
        dash: Dashes of its curves, as ``stroke-dasharray`` has them; empty for none.
    """

    colour: str
    shape: str
    dash: str


PLAIN = Style("plain", _CIRCLE, "")
"""The style of legends and of what belongs to no contender."""

PUBLISHED = Style("plain", _DIAMOND, "")
"""The style of what was not computed here."""


def style_of(place: int) -> Style:
    """The style of the contender at a place: the first eight differ in colour and in shape.

    After that colours come again, each with another shape than before; 64 styles are distinct.
    """
    around = place // COLOURS
    return Style(
        colour=f"c{place % COLOURS + 1}",
        shape=SHAPES[(place + around) % len(SHAPES)],
        dash=_DASHES[(place + around) % len(_DASHES)],
    )


def marker(
    style: Style, x: float, y: float, *, is_hollow: bool = False, is_large: bool = False
) -> Markup:
    """Draws a mark around a point; a large one is seen around another in the same place."""
    return element(
        "path",
        class_=f"marker {style.colour}{' hollow' if is_hollow else ''}",
        d=style.shape,
        transform=f"translate({number(x)} {number(y)}){' scale(1.5)' if is_large else ''}",
    )


def whisker(
    style: Style, ends: tuple[float, float], middle: float, y: float, *, is_hollow: bool = False
) -> Markup:
    """Draws an interval with caps, to be drawn before its mark.

    It leaves the room of a hollow mark free, as it would be seen through it.
    """
    low, high = ends
    ink = f"whisker {style.colour}"
    if not is_hollow:
        spans = [(low, high)]
        caps = [low, high]
    else:
        spans = [(low, middle - RADIUS), (middle + RADIUS, high)]
        spans = [(start, end) for start, end in spans if start < end]
        caps = [end for end in ends if abs(end - middle) > RADIUS]
    return element(
        "g",
        *(line(start, y, end, y, ink) for start, end in spans),
        *(line(end, y - _CAP, end, y + _CAP, ink) for end in caps),
    )


def bond(style: Style, first: float, second: float, y: float) -> Markup:
    """Draws what joins two marks of one row; nothing where they touch."""
    left, right = sorted((first, second))
    if right - left <= 2 * RADIUS:
        return Markup("")
    return line(left + RADIUS, y, right - RADIUS, y, f"bond {style.colour}")


def curve(style: Style, points: Sequence[tuple[float, float]]) -> Markup:
    """Draws a line through points, in the style's dashes."""
    joined = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return element(
        "polyline",
        class_=f"curve {style.colour}",
        points=joined,
        stroke_dasharray=style.dash or None,
    )
