"""Whether long answers only name more because they are long: entity coverage against length."""

from collections.abc import Iterator, Sequence

from services.benchmark.records import Setting
from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Entry,
    horizontal_axis,
    legend,
    vertical_axis,
)
from services.sweep.report.charts.labels import SETTINGS, count_text
from services.sweep.report.charts.length_panels import COVERAGE, length_curve, length_panels
from services.sweep.report.charts.marks import curve, marker, style_of
from services.sweep.report.charts.scales import Scale, from_zero, spanning
from services.sweep.report.charts.svg import WIDTH, Markup, element, picture, text
from services.sweep.report.knowledge.model import LengthCurve
from services.sweep.report.model import Report

_LEFT = 50.0
_TOP = 54.0
_HEIGHT = 250.0
_GAP = 34.0
# More curves than these cannot be told apart in one panel.
_MOST_TOGETHER = 8


def lengths(report: Report) -> str | None:
    """Draws a curve for each contender, one panel a setting; none where there is no curve."""
    curves = [one for one in report.lengths if one.bins]
    if not curves:
        return None
    places = sorted({one.contender for one in curves})
    if len(places) > _MOST_TOGETHER:
        return length_panels(report, curves)
    settings = [one for one in Setting if any(curve.setting is one for curve in curves)]
    bottom = _TOP + _HEIGHT
    tops = [point.value * 100 for one in curves for point in one.bins]
    upright = from_zero([max(tops) * 1.05], bottom, _TOP)
    entries = list(_entries(report, places))
    key, height = legend(entries, _LEFT - 14, bottom + AXIS_HEIGHT + 8)
    width = (WIDTH - _LEFT - 10 - _GAP * (len(settings) - 1)) / len(settings)
    panels = []
    for number, setting in enumerate(settings):
        left = _LEFT + number * (width + _GAP)
        across = spanning(
            [point.length for one in curves for point in one.bins], left, left + width
        )
        shown = [one for one in curves if one.setting is setting]
        panels.append(_panel(report, setting, across, upright, shown, has_labels=number == 0))
    return picture(
        "chart-lengths",
        "Entity coverage against the length of the answers",
        f"Mean entity coverage of answers of about the same length, a curve for each of "
        f"{count_text(len(places), 'contender')}; one panel a setting.",
        bottom + AXIS_HEIGHT + 16 + height,
        *panels,
        key,
    )


def _entries(report: Report, places: Sequence[int]) -> Iterator[Entry]:
    for place in places:
        style = style_of(place)
        sign = element("g", curve(style, [(-14, 0), (14, 0)]), marker(style, 0, 0))
        yield Entry(sign, report.contenders[place].label)


def _panel(
    report: Report,
    setting: Setting,
    across: Scale,
    upright: Scale,
    curves: Sequence[LengthCurve],
    *,
    has_labels: bool,
) -> Markup:
    title = COVERAGE if has_labels else ""
    parts = [
        text(across.start, 10, SETTINGS[setting], class_="strong"),
        vertical_axis(upright, across.start, across.end, title, has_labels=has_labels),
        horizontal_axis(across, _TOP, upright.start, "Mean length of the answers (tokens)"),
    ]
    drawn = (
        length_curve(
            report.contenders[one.contender].label,
            one,
            style_of(one.contender),
            (across, upright),
        )
        for one in curves
    )
    return element("g", *parts, *drawn)
