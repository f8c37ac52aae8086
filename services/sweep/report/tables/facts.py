"""What CSV and JSON say of a row besides its metrics, under the same names."""

from services.sweep.leaderboard.standings import reported
from services.sweep.report.model import Interval, Report, Row


def row_facts(row: Row, report: Report) -> dict[str, str | int]:
    """Whose row it is, and what became of its answers."""
    contender, counts = report.contenders[row.contender], row.counts
    return {
        "label": contender.label,
        "sweep": contender.sweep,
        "model": contender.model,
        "revision": contender.revision,
        "prompt": contender.prompt,
        "sampling": contender.sampling,
        "control": contender.control.value,
        "setting": row.setting.value,
        "part": row.part,
        "questions": counts.questions,
        "replicates": counts.replicates,
        "planned": counts.planned,
        "scored": counts.scored,
        "failed": counts.failed,
        "pending": counts.pending,
        "truncated": counts.truncated,
        "unscorable": counts.unscorable,
    }


def reported_bounds(metric: str, interval: Interval | None) -> tuple[float | None, float | None]:
    """The bounds of an interval as reports show them: shares times 100."""
    if interval is None:
        return None, None
    return reported(metric, interval.low), reported(metric, interval.high)
