"""Writes texts and times for the page, with characters named that would hide or turn others."""

import re

_MINUTE_S = 60
_MINUTES_AN_HOUR = 60

# Controls except the line feed and the tab, marks and overrides of the writing direction, and
# line and paragraph separators. scripts/dom.js does the same for what the page itself shows.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Writes each such character as its code point, such as ``[U+202E]``."""
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def duration(seconds: float) -> str:
    """Writes a time in the two units that fit, such as ``2 h 05 min``."""
    if round(seconds, 1) < _MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    if minutes < _MINUTES_AN_HOUR:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, _MINUTES_AN_HOUR)
    return f"{hours:,} h {minutes:02d} min"
