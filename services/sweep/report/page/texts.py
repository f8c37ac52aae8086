"""Writes texts for the page, with characters named that would hide or turn others."""

import re

# Controls except the line feed and the tab, marks and overrides of the writing direction, and
# line and paragraph separators. scripts/dom.js does the same for what the page itself shows.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Writes each such character as its code point, such as ``[U+202E]``."""
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)
