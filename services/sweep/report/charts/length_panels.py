"""Entity coverage against length for many contenders: a small panel for each."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from services.benchmark.records import Setting
from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Entry,
    horizontal_axis,
    legend,
    vertical_axis,
)
from services.sweep.report.charts.labels import SETTINGS, count_text, rounded_text
from services.sweep.report.charts.marks import PLAIN, Style, curve, marker, style_of
from services.sweep.report.charts.names import fitted_apart
from services.sweep.report.charts.scales import Scale, from_zero, spanning
from services.sweep.report.charts.svg import WIDTH, Markup, datum, element, picture, text
from services.sweep.report.knowledge.model import LengthCurve
from services.sweep.report.model import Report

COVERAGE = "Entity coverage, exact (\N{MULTIPLICATION SIGN} 100)"

_COLUMNS = 4
_LEFT = 40.0
_RIGHT = 10.0
_TOP = 72.0
_GAP = 22.0
_PANEL = 104.0
_ROW = 142.0
_NAME = 12.0
_DASHES = {Setting.WITH_TITLE: "", Setting.WITHOUT_TITLE: "4 3"}


def length_panels(report: Report, curves: Sequence[LengthCurve]) -> str:
    """Draws the curves of each contender in a panel of its own, all on the same scales."""
    places = sorted({one.contender for one in curves})
    rows = -(-len(places) // _COLUMNS)
    key, _ = legend(list(_entries()), 0.0, 0.0)
    labels = [report.contenders[place].label for place in places]
    short = fitted_apart(labels, _width())
    panels = []
    for number, (place, label) in enumerate(zip(places, labels, strict=True)):
        mine = [one for one in curves if one.contender == place]
        is_last = number + _COLUMNS >= len(places)
        across, upright = _scales(curves, number)
        panels.append(text(across.start, upright.end - _NAME, short[label], whole=label))
        panels.append(
            vertical_axis(upright, across.start, across.end, has_labels=not number % _COLUMNS)
        )
        panels.append(
            horizontal_axis(across, upright.end, upright.start, has_labels=is_last, most=4)
        )
        for one in mine:
            style = replace(style_of(place), dash=_DASHES[one.setting])
            is_hollow = one.setting is Setting.WITHOUT_TITLE
            panels.append(length_curve(label, one, style, (across, upright), is_hollow=is_hollow))
    bottom = _TOP + rows * _ROW
    return picture(
        "chart-lengths",
        "Entity coverage against the length of the answers",
        f"Mean entity coverage of answers of about the same length, a panel for each of "
        f"{count_text(len(places), 'contender')}.",
        bottom + AXIS_HEIGHT - 34,
        key,
        text(0.0, 32, f"{COVERAGE}; across, the mean length in tokens", class_="small"),
        *panels,
    )


def length_curve(
    label: str,
    one: LengthCurve,
    style: Style,
    scales: tuple[Scale, Scale],
    *,
    is_hollow: bool = False,
) -> Markup:
    """Draws a curve through its groups of answers; the scales are for length and coverage."""
    across, upright = scales
    places = [(across.at(point.length), upright.at(point.value * 100)) for point in one.bins]
    marks = [
        datum(
            f"{label}, {SETTINGS[one.setting]}: coverage {rounded_text(point.value * 100)} at "
            f"{rounded_text(point.length)} tokens; {count_text(point.answers, 'answer')}",
            marker(style, x, y, is_hollow=is_hollow),
        )
        for point, (x, y) in zip(one.bins, places, strict=True)
    ]
    return element("g", curve(style, places), *marks)


def _width() -> float:
    """The width of a panel."""
    return (WIDTH - _LEFT - _RIGHT - _GAP * (_COLUMNS - 1)) / _COLUMNS


def _scales(curves: Sequence[LengthCurve], number: int) -> tuple[Scale, Scale]:
    """The scales of a panel: the same but for where they are."""
    row, column = divmod(number, _COLUMNS)
    left, bottom = _LEFT + column * (_width() + _GAP), _TOP + row * _ROW + _PANEL
    points = [point for one in curves for point in one.bins]
    return (
        spanning([point.length for point in points], left, left + _width()),
        from_zero([105 * point.value for point in points], bottom, bottom - _PANEL),
    )


def _entries() -> Iterator[Entry]:
    for setting in Setting:
        style = replace(PLAIN, dash=_DASHES[setting])
        is_hollow = setting is Setting.WITHOUT_TITLE
        sign = element(
            "g", curve(style, [(-14, 0), (14, 0)]), marker(style, 0, 0, is_hollow=is_hollow)
        )
        yield Entry(sign, SETTINGS[setting])
