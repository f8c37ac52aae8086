"""How fast answers came while the sweeps ran: one strip a model over a common time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Block,
    horizontal_axis,
    stacked,
)
from services.sweep.report.charts.labels import count_text, rounded_text, seconds_text
from services.sweep.report.charts.names import names_of
from services.sweep.report.charts.scales import Scale, from_zero
from services.sweep.report.charts.svg import (
    WIDTH,
    Markup,
    datum,
    element,
    line,
    number,
    picture,
    text,
)
from services.sweep.report.knowledge.model import Pace
from services.sweep.report.model import Report

_TOP = 6.0
_ROW = 46.0
_STRIP = 36.0
_VALUES = 176.0
_MOST_BINS = 300
_UNITS = (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0), ("seconds", 1.0))


@dataclass(frozen=True, slots=True)
class _Frame:
    """The scales that all strips share.

    Attributes:
        across: From time to place, in a unit.
        unit_s: Seconds of that unit.
        fastest: The rate at the top of a strip.
    """

    across: Scale
    unit_s: float
    fastest: float


def pace(report: Report) -> str | None:
    """Draws answers a second over time for each model; none where no times are stored."""
    shown = [one for one in report.pace if any(rate > 0 for rate in one.rates)]
    if not shown:
        return None
    labels = pace_names(shown)
    names = names_of(labels)
    lasted = max(one.bin_s * len(one.rates) for one in shown)
    unit, unit_s = next((each for each in _UNITS if lasted >= 2 * each[1]), _UNITS[-1])
    across = Scale(0.0, lasted / unit_s, names.width, WIDTH - _VALUES)
    frame = _Frame(across, unit_s, max(rate for one in shown for rate in one.rates))
    stack = stacked([Block("", shown)], _TOP, _ROW)
    return picture(
        "chart-pace",
        "Answers a second while the sweeps ran",
        f"A strip for each of {count_text(len(shown), 'model')} over a common time from the first "
        f"answer on; all strips have one scale, which ends at {rounded_text(frame.fastest)} "
        f"answers a second.",
        stack.bottom + AXIS_HEIGHT,
        horizontal_axis(across, _TOP, stack.bottom, f"Time since the first answer began ({unit})"),
        *(names.row(name, y) for name, (_, y) in zip(labels, stack.rows, strict=True)),
        *(_strip(name, one, frame, y) for name, (one, y) in zip(labels, stack.rows, strict=True)),
    )


def pace_names(shown: Sequence[Pace]) -> list[str]:
    """Names of models, with their sweep where one name comes twice."""
    labels = [one.label for one in shown]
    return [
        one.label if labels.count(one.label) == 1 else f"{one.label} · {one.sweep}" for one in shown
    ]


def _strip(name: str, one: Pace, frame: _Frame, y: float) -> Markup:
    across, base = frame.across, y + _STRIP / 2
    points = list(_steps(one, frame, base))
    outline = "L".join(f"{number(x)} {number(top)}" for x, top in points)
    start, end = number(points[0][0]), number(points[-1][0])
    lasted = (one.ended_at - one.began_at).total_seconds()
    peak = max(one.rates)
    mean = one.answers / lasted if lasted > 0 else peak
    rates = f"peak {rounded_text(peak)}/s, mean {rounded_text(mean)}/s"
    total = f"{count_text(one.answers, 'answer')} in {seconds_text(lasted)}"
    floor = number(base)
    return datum(
        f"{name}: {total}; {rates}",
        line(across.start, base, across.end, base, "axis"),
        element("path", class_="area c1", d=f"M{start} {floor}L{outline}L{end} {floor}Z"),
        element("path", class_="curve thin c1", d=f"M{outline}"),
        text(across.end + 12, y - 8, rates, class_="value"),
        text(across.end + 12, y + 8, total, class_="faint"),
    )


def _steps(one: Pace, frame: _Frame, base: float) -> Iterator[tuple[float, float]]:
    """The corners of a strip: each rate holds for its bin, or the mean of some over theirs."""
    upright = from_zero([frame.fastest], base, base - _STRIP)
    together = -(-len(one.rates) // _MOST_BINS)
    for first in range(0, len(one.rates), together):
        rates = one.rates[first : first + together]
        y = upright.at(sum(rates) / len(rates))
        for place in (first, first + len(rates)):
            yield frame.across.at(place * one.bin_s / frame.unit_s), y
