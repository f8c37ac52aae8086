"""How long one answer took: to its first token, and in all."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Block,
    Entry,
    horizontal_axis,
    legend,
    stacked,
)
from services.sweep.report.charts.labels import rounded_text, seconds_text
from services.sweep.report.charts.marks import PLAIN, RADIUS, Style, marker
from services.sweep.report.charts.names import NAMES_LEFT, names_of
from services.sweep.report.charts.pace import pace_names
from services.sweep.report.charts.scales import Scale, of_times
from services.sweep.report.charts.svg import WIDTH, Markup, datum, element, line, picture, text
from services.sweep.report.knowledge.model import Pace
from services.sweep.report.model import Report

_TOP = 8.0
_ROW = 44.0
_HALF = 9.0
_TICK = 5.0
_VALUES = 170.0
_STYLE = Style("c1", PLAIN.shape, "")


@dataclass(frozen=True, slots=True)
class _Track:
    """Quantiles of one time of one model, drawn above or below the middle of its row."""

    name: str
    quantiles: tuple[float, float, float]
    is_hollow: bool
    offset: float


def latency(report: Report) -> str | None:
    """Draws the median, 90 % and 99 % of two times of each model; none where none are stored."""
    shown = [one for one in report.pace if max(one.total_s) > 0]
    if not shown:
        return None
    labels = pace_names(shown)
    speeds = [_speed(one) for one in shown]
    names = names_of(labels, speeds)
    key, height = legend(list(_entries()), 0.0, _TOP)
    top = _TOP + height + 6
    stack = stacked([Block("", shown)], top, _ROW)
    times = [time for one in shown for time in (*one.total_s, *one.first_token_s)]
    across = of_times(times, names.width, WIDTH - _VALUES)
    parts: list[Markup] = []
    for name, speed, (one, y) in zip(labels, speeds, stack.rows, strict=True):
        parts.append(names.row(name, y - _HALF))
        parts.append(text(NAMES_LEFT, y + _HALF, speed, class_="faint"))
        parts.extend(_track(name, track, across, y + track.offset) for track in _tracks(one))
    title = "Seconds, logarithmic" if across.is_logarithmic else "Seconds"
    return picture(
        "chart-latency",
        "How long one answer took",
        "For each model the time to the first token and the time to the end of an answer: the "
        "median, and what 90 and 99 of a hundred answers stay below.",
        stack.bottom + AXIS_HEIGHT,
        key,
        horizontal_axis(across, top, stack.bottom, title),
        *parts,
    )


def _speed(one: Pace) -> str:
    """How fast one answer is decoded; empty where no answer tells."""
    return f"{rounded_text(one.tokens_per_s)} tokens/s" if one.tokens_per_s > 0 else ""


def _entries() -> Iterator[Entry]:
    yield Entry(_sign(is_hollow=False), "whole answer: median, 90 %, 99 %")
    yield Entry(_sign(is_hollow=True), "first token: median, 90 %, 99 %")


def _sign(*, is_hollow: bool) -> Markup:
    return element(
        "g",
        marker(PLAIN, -8, 0, is_hollow=is_hollow),
        line(-8 + RADIUS, 0, 14, 0, "whisker plain"),
        line(6, -_TICK, 6, _TICK, "whisker plain"),
        line(14, -_TICK, 14, _TICK, "whisker plain"),
    )


def _tracks(one: Pace) -> Iterator[_Track]:
    yield _Track("whole answer", one.total_s, is_hollow=False, offset=-_HALF)
    # Services that do not stream have no first token to speak of.
    if max(one.first_token_s) > 0:
        yield _Track("first token", one.first_token_s, is_hollow=True, offset=_HALF)


def _track(name: str, track: _Track, across: Scale, y: float) -> Markup:
    middle, most, nearly_all = (across.at(time) for time in track.quantiles)
    parts = [
        line(end, y - _TICK, end, y + _TICK, "whisker c1")
        for end in (most, nearly_all)
        if end > middle + RADIUS
    ]
    if nearly_all > middle + RADIUS:
        parts.append(line(middle + RADIUS, y, nearly_all, y, "whisker c1"))
    parts.append(marker(_STYLE, middle, y, is_hollow=track.is_hollow))
    shown = " · ".join(map(seconds_text, track.quantiles))
    parts.append(text(across.end + 12, y, shown, class_="value"))
    return datum(f"{name}, {track.name}: median, 90 % and 99 % {shown}", *parts)
