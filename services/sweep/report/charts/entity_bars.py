"""Entities at the ends: those missed most, known best, and repeated without need."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Block,
    horizontal_axis,
    stacked,
)
from services.sweep.report.charts.labels import count_text, percent_text
from services.sweep.report.charts.names import names_of
from services.sweep.report.charts.scales import Scale, from_zero
from services.sweep.report.charts.svg import WIDTH, Markup, box, datum, picture, text
from services.sweep.report.knowledge.model import EntityStanding
from services.sweep.report.model import Report

_MOST = 15
_ROW = 23.0
_BAR = 14.0
_WORDS = 190.0


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar, what it is a part of, and what stands behind it."""

    name: str
    length: float
    whole: float
    words: str


def missed(report: Report) -> str | None:
    """Draws how many answers miss the entities that are missed most."""
    if report.entities is None:
        return None
    bars = []
    for one in report.entities.most_missed[:_MOST]:
        count = one.questions - sum(one.found)
        share = percent_text(count / max(one.questions, 1))
        words = f"{count:,} of {one.questions:,} miss it ({share})"
        bars.append(_Bar(one.entity, count, one.questions, words))
    return _bars("missed", "Entities missed by most answers", "Answers", bars)


def known(report: Report) -> str | None:
    """Draws which share of the answers names the entities that are known best."""
    if report.entities is None:
        return None
    bars = []
    for one in report.entities.most_known[:_MOST]:
        share = _share_found(one)
        words = f"{sum(one.found):,} of {one.questions:,} name it ({percent_text(share)})"
        bars.append(_Bar(one.entity, 100 * share, 100.0, words))
    return _bars("known", "Entities named by the greatest share of answers", "Answers (%)", bars)


def repeated(report: Report) -> str | None:
    """Draws how often entities are named beyond what the references do."""
    if report.entities is None:
        return None
    bars = []
    for one in report.entities.most_repeated[:_MOST]:
        count = sum(one.repeats)
        words = f"{count_text(count, 'time')} in {count_text(one.questions, 'answer')}"
        bars.append(_Bar(one.entity, count, count, words))
    return _bars("repeated", "Entities repeated beyond what the references do", "Times", bars)


def _share_found(one: EntityStanding) -> float:
    return sum(one.found) / max(one.questions, 1)


def _bars(name: str, title: str, axis: str, bars: Sequence[_Bar]) -> str | None:
    if not bars:
        return None
    names = names_of([bar.name for bar in bars])
    across = from_zero([bar.whole for bar in bars], names.width, WIDTH - _WORDS)
    stack = stacked([Block("", bars)], 6.0, _ROW)
    return picture(
        f"chart-{name}",
        title,
        f"{title}: a bar for each of {count_text(len(bars), 'name')}, with its number behind it.",
        stack.bottom + AXIS_HEIGHT,
        horizontal_axis(across, 6.0, stack.bottom, axis),
        *(names.row(bar.name, y) for bar, y in stack.rows),
        *(_drawn(bar, across, y) for bar, y in stack.rows),
    )


def _drawn(bar: _Bar, across: Scale, y: float) -> Markup:
    top, end = y - _BAR / 2, across.at(bar.length)
    parts = [box(across.start, top, across.at(bar.whole) - across.start, _BAR, "bar rest")]
    parts.append(box(across.start, top, end - across.start, _BAR, "bar c1"))
    parts.append(text(across.at(bar.whole) + 10, y, bar.words, class_="value"))
    return datum(f"{bar.name}: {bar.words}", *parts)
