"""Reads what a chart draws, for the tests of charts."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"

_POINT = re.compile(r"translate\((\S+) (\S+)\)(?: scale\(1\.5\))?")


class Mark(NamedTuple):
    """A marker: where it is and what it looks like."""

    x: float
    y: float
    colour: str
    shape: str
    is_hollow: bool


class Box(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    classes: str
    opacity: float | None


class Line(NamedTuple):
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    classes: str


class Words(NamedTuple):
    """A text, and its whole where it is shortened."""

    x: float
    y: float
    text: str
    whole: str
    anchor: str
    is_turned: bool


class Drawn:
    """A picture, or one group of it."""

    def __init__(self, svg: str | ET.Element) -> None:
        self.root = ET.fromstring(svg) if isinstance(svg, str) else svg

    @property
    def title(self) -> str:
        return self.root.findtext(f"{SVG}title", "")

    @property
    def size(self) -> tuple[float, float]:
        _, _, width, height = map(float, self.root.attrib["viewBox"].split())
        return width, height

    def data(self) -> list["Drawn"]:
        groups = self.root.iter(f"{SVG}g")
        return [Drawn(group) for group in groups if _classes(group) == "datum"]

    def datum(self, start: str) -> "Drawn":
        """The one datum whose title begins in a way."""
        found = [one for one in self.data() if one.title.startswith(start)]
        assert len(found) == 1, [one.title for one in self.data()]
        return found[0]

    def marks(self) -> list[Mark]:
        found = []
        for path in self.root.iter(f"{SVG}path"):
            kind, *colour = _classes(path).split()
            if kind == "marker":
                point = _POINT.fullmatch(path.attrib["transform"])
                assert point is not None
                x, y = map(float, point.groups())
                found.append(Mark(x, y, colour[0], path.attrib["d"], "hollow" in colour))
        return found

    def mark(self) -> Mark:
        (only,) = self.marks()
        return only

    def boxes(self) -> list[Box]:
        return [
            Box(
                *(float(box.attrib[name]) for name in ("x", "y", "width", "height")),
                classes=_classes(box),
                opacity=float(box.attrib["fill-opacity"]) if "fill-opacity" in box.attrib else None,
            )
            for box in self.root.iter(f"{SVG}rect")
        ]

    def lines(self, class_: str) -> list[Line]:
        return [
            Line(
                *(float(line.attrib[name]) for name in ("x1", "y1", "x2", "y2")),
                classes=_classes(line),
            )
            for line in self.root.iter(f"{SVG}line")
            if class_ in _classes(line).split()
        ]

    def texts(self) -> list[Words]:
        return list(self._texts())

    def _texts(self) -> Iterator[Words]:
        for one in self.root.iter(f"{SVG}text"):
            title = one.find(f"{SVG}title")
            shown = (one.text or "") if title is None else (title.tail or "")
            whole = shown if title is None else (title.text or "")
            yield Words(
                float(one.attrib["x"]),
                float(one.attrib["y"]),
                shown,
                whole,
                one.get("text-anchor", "start"),
                "transform" in one.attrib,
            )

    def shown(self) -> list[str]:
        return [one.text for one in self.texts()]


def _classes(one: ET.Element) -> str:
    """An element's classes without their prefix."""
    return " ".join(name.removeprefix("c-") for name in one.get("class", "").split())
