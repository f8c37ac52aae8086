"""Writes SVG. Names and numbers become text and attributes here alone, and are escaped.

Lengths are in units of the view box, which are CSS pixels where there is room for the whole width.
"""

import re
from html import escape
from typing import NewType

Markup = NewType("Markup", str)
"""SVG that is well-formed and escaped."""

WIDTH = 960.0
"""Width of every picture, so that their texts are of one size."""

# What XML cannot hold, and what would hide text or turn its direction.
_NOT_SHOWN = re.compile(
    "[^\t\n\r\u0020-\u007e\u00a0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd"
    "\U00010000-\U0010ffff]"
)
_CLASS_PREFIX = "c-"

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# From the middle of a line of text down to its baseline, whatever its size.
_TO_BASELINE = "0.35em"


def words(text: str) -> Markup:
    """Escapes a text; controls, and what turns the direction of a text, become U+FFFD."""
    return Markup(escape(_NOT_SHOWN.sub(_REPLACEMENT, text)))


def number(value: float) -> str:
    """Writes a coordinate, to a hundredth."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, *children: Markup, **attributes: str | float | None) -> Markup:
    """Writes an element.

    Args:
        name: Name of the element.
        children: What is in it.
        attributes: Its attributes; a trailing underscore of a name is dropped, the others become
            hyphens, and what is none is left out. Classes get a prefix, as a page may have its
            own of the same names.
    """
    classes = attributes.get("class_")
    if isinstance(classes, str):
        attributes["class_"] = " ".join(_CLASS_PREFIX + one for one in classes.split())
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{''.join(children)}</{name}>")


def _attribute(value: str | float) -> str:
    return words(value) if isinstance(value, str) else number(value)


def picture(name: str, title: str, description: str, height: float, *children: Markup) -> str:
    """Writes a whole picture of the common width.

    Args:
        name: Names it in its page; letters, digits, underscores and hyphens.
        title: What it shows.
        description: The same at more length, for those who cannot see it.
        height: Its height.
        children: What is drawn.
    """
    return element(
        "svg",
        element("title", words(title), id=f"{name}-title"),
        element("desc", words(description), id=f"{name}-description"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        class_="chart",
        role="img",
        viewBox=f"0 0 {number(WIDTH)} {number(height)}",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-description",
    )


def datum(title: str, *children: Markup) -> Markup:
    """Groups what is drawn of one value, with the words that a pointer on it brings up."""
    return element("g", element("title", words(title)), *children, class_="datum")


def text(
    x: float,
    y: float,
    shown: str,
    *,
    class_: str | None = None,
    anchor: str = "start",
    whole: str = "",
    turned: float | None = None,
) -> Markup:
    """Writes a line of text; nothing where there is none.

    Args:
        x: Where it starts, has its middle or ends, as ``anchor`` says.
        y: The middle of the line.
        shown: The text.
        class_: Classes of its looks.
        anchor: ``start``, ``middle`` or ``end``.
        whole: The text at full length, where ``shown`` is short for it.
        turned: Degrees clockwise around that point.
    """
    if not shown:
        return Markup("")
    title = element("title", words(whole)) if whole and whole != shown else Markup("")
    return element(
        "text",
        title,
        words(shown),
        x=x,
        y=y,
        dy=_TO_BASELINE,
        class_=class_,
        text_anchor=None if anchor == "start" else anchor,
        transform=None if turned is None else f"rotate({number(turned)} {number(x)} {number(y)})",
    )


def line(
    x1: float, y1: float, x2: float, y2: float, class_: str, *, dash: str | None = None
) -> Markup:
    """Draws a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, stroke_dasharray=dash or None)


def box(
    x: float, y: float, width: float, height: float, class_: str, *, opacity: float | None = None
) -> Markup:
    """Draws a filled rectangle; ``opacity`` is 0 to 1."""
    return element(
        "rect",
        x=x,
        y=y,
        width=max(width, 0.0),
        height=max(height, 0.0),
        class_=class_,
        fill_opacity=opacity,
    )
