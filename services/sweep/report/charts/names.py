"""Names of rows: shortened where they are long, but never so that two of them look alike."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.sweep.report.charts.labels import ELLIPSIS, TEXT_SIZE, fitted, text_width
from services.sweep.report.charts.svg import Markup, text

NAMES_LEFT = 10.0
"""Where names of rows begin."""

_MIN_WIDTH, _MAX_WIDTH = 90.0, 240.0
_AIR = 14.0


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a chart's rows.

    Attributes:
        width: The room that they take, from the left of the picture on.
        short: Each name as it is written.
    """

    width: float
    short: Mapping[str, str]

    def row(self, name: str, y: float) -> Markup:
        """Writes a row's name."""
        return text(NAMES_LEFT, y, self.short[name], whole=name)


def names_of(names: Sequence[str], beside: Sequence[str] = ()) -> Names:
    """Finds the room for names, and for what else stands beneath them, and shortens them to it."""
    short = fitted_apart(names, _MAX_WIDTH)
    widest = max(map(text_width, (*short.values(), *beside)), default=0.0)
    return Names(NAMES_LEFT + max(widest, _MIN_WIDTH) + _AIR, short)


def fitted_apart(names: Sequence[str], width: float, size: float = TEXT_SIZE) -> Mapping[str, str]:
    """Shortens names that are too wide; those that would look alike lose what they begin with."""
    short = {name: fitted(name, width, size) for name in names}
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name, written in short.items():
        alike[written].append(name)
    for group in alike.values():
        if len(group) > 1:
            common = _common_words([" ".join(name.split()) for name in group])
            for name in group:
                rest = " ".join(name.split())[common:]
                short[name] = fitted(ELLIPSIS + rest, width, size)
    return short


def _common_words(names: Sequence[str]) -> int:
    """Letters that names have in common at their beginning, up to the end of a word."""
    first, last = min(names), max(names)  # what these begin with, all between them do
    length = 0
    for place, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            break
        if not one.isalnum():
            length = place + 1
    return length
