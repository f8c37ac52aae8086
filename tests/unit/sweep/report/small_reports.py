"""Small reports whose charts can be drawn by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.benchmark.records import Setting
from services.sweep.report.model import (
    Contrast,
    Estimate,
    Gap,
    GapKind,
    Interval,
    MetricResult,
    Report,
    Row,
)
from tests.unit.sweep.report.sample_report import bare_report

# One contender's means by setting and part; all with the same half width of the interval.
Means = Mapping[tuple[Setting, str], float | None]


def report_of(*contenders: Means, spread: float | None = None, metric: str = "ef1") -> Report:
    """A report of contenders a, b, c … with the means that are given."""
    bare = bare_report()
    names = "abcdefghijklmnopqrstuvwxyz"
    return replace(
        bare,
        contenders=tuple(
            replace(bare.contenders[0], label=names[place], model=names[place])
            for place in range(len(contenders))
        ),
        metrics=(metric,),
        rows=tuple(
            Row(
                place,
                setting,
                part,
                bare.rows[0].counts,
                {metric: MetricResult(_estimate(value, spread), None, None, {})},
            )
            for place, means in enumerate(contenders)
            for (setting, part), value in means.items()
        ),
    )


def _estimate(value: float | None, spread: float | None) -> Estimate:
    if value is None:
        return Estimate(None, None, 0, 0)
    interval = None if spread is None else Interval(value - spread, value + spread)
    return Estimate(value, interval, 10, 5)


def gap(
    kind: GapKind,
    contender: int,
    difference: float | None,
    *,
    setting: Setting | None = None,
    part: str = "all",
    interval: Interval | None = None,
    p: float | None = None,
) -> Gap:
    """A gap in ef1."""
    contrast = Contrast(difference, interval, p, p, 10, 5)
    return Gap(kind, contender, "ef1", setting, part, contrast)


def with_gaps(report: Report, gaps: Sequence[Gap]) -> Report:
    """A report with gaps."""
    return replace(report, gaps=tuple(gaps))
