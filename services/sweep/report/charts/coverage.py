"""How evenly a contender knows entities: shares of the entities by how often it names them."""

from collections.abc import Iterator

from services.sweep.report.charts.axes import (
    AXIS_HEIGHT,
    Block,
    Entry,
    horizontal_axis,
    legend,
    stacked,
)
from services.sweep.report.charts.labels import count_text, percent_text, text_width
from services.sweep.report.charts.names import names_of
from services.sweep.report.charts.scales import Scale
from services.sweep.report.charts.svg import WIDTH, Markup, box, datum, picture, text
from services.sweep.report.model import Report

_TOP = 8.0
_ROW = 27.0
_BAR = 20.0
_LEAST_GAP = 1.0
_LEVELS = (
    "never",
    "up to a quarter",
    "up to a half",
    "up to three quarters",
    "more, not always",
    "always",
)


def coverage(report: Report) -> str | None:
    """Draws a bar of six shares for each contender that was asked for entities."""
    if report.entities is None:
        return None
    rows = [
        (contender.label, counts)
        for contender, counts in zip(
            report.contenders, report.entities.coverage_counts, strict=False
        )
        if sum(counts)
    ]
    if not rows:
        return None
    key, height = legend(
        [Entry(box(-10, -7, 20, 14, f"level q{place}"), _LEVELS[place]) for place in range(6)],
        0.0,
        _TOP,
    )
    names = names_of([label for label, _ in rows])
    stack = stacked([Block("", rows)], _TOP + height + 8, _ROW)
    across = Scale(0.0, 100.0, names.width, WIDTH - 24)
    parts: list[Markup] = []
    for (label, counts), y in stack.rows:
        parts.append(names.row(label, y))
        parts.extend(_bar(label, counts, across, y))
    return picture(
        "chart-coverage",
        "How often the contenders name the entities that they are asked for",
        f"For {count_text(len(rows), 'contender')}, the shares of the entities that none, up to a "
        f"quarter, a half, three quarters, most and all of its answers name.",
        stack.bottom + AXIS_HEIGHT,
        key,
        horizontal_axis(across, stack.bottom - 4, stack.bottom, "Entities (%)"),
        *parts,
    )


def _bar(label: str, counts: tuple[int, ...], across: Scale, y: float) -> Iterator[Markup]:
    total, before = sum(counts), 0
    for place, count in enumerate(counts):
        left, right = (across.at(100 * end / total) for end in (before, before + count))
        before += count
        if not count:
            continue
        share = percent_text(count / total)
        width = max(right - left - _LEAST_GAP, _LEAST_GAP)
        parts = [box(left, y - _BAR / 2, width, _BAR, f"level q{place}")]
        if text_width(share, 11) + 6 <= width:
            ink = f"value on-q{place}"
            parts.append(text((left + right) / 2, y, share, class_=ink, anchor="middle"))
        title = f"{label}, {_LEVELS[place]}: {count:,} of {total:,} entities ({share})"
        yield datum(title, *parts)
