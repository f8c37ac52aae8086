"""Which rows of a report are the best of those that compete, and how sure that is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from services.sweep.report.model import Contrast, Report, Row
from services.sweep.report.tables.layout import SIGNIFICANCE_LEVEL, has_best

_Pair = tuple[str, str, str, int, int]


def is_significant(contrast: Contrast) -> bool:
    """Whether a difference is significant after correction for the number of comparisons."""
    p = contrast.p_corrected
    return p is not None and p < SIGNIFICANCE_LEVEL


def best_rows(report: Report) -> Mapping[tuple[int, str], bool]:
    """Finds the best rows among those that compete: same picture, setting and part.

    Only values above 0 that have a rival can be best, and no length is. Equal values are best
    together.

    Returns:
        By place among the report's rows and metric: whether the lead over the next best is
        significant. Rows that are not there are not the best.
    """
    contrasts: dict[_Pair, Contrast] = {
        (one.metric, one.setting.value, one.part, one.first, one.second): one.contrast
        for one in report.comparisons
    }
    found: dict[tuple[int, str], bool] = {}
    for places in _contests(report):
        for metric in filter(has_best, report.metrics):
            ranked = _ranked(report.rows, places, metric)
            if len(ranked) < 2 or ranked[0][0] <= 0:  # noqa: PLR2004 - one has no rival
                continue
            best = [place for value, place in ranked if value == ranked[0][0]]
            first, second = (report.rows[place] for _, place in ranked[:2])
            is_sure = len(best) == 1 and _leads(first, second, metric, contrasts)
            found.update({(place, metric): is_sure for place in best})
    return found


def _contests(report: Report) -> list[list[int]]:
    """Places of the rows that compete with each other."""
    contests: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(report.rows):
        control = report.contenders[row.contender].control
        contests[control.value, row.setting.value, row.part].append(place)
    return list(contests.values())


def _ranked(rows: Sequence[Row], places: Sequence[int], metric: str) -> list[tuple[float, int]]:
    """Values and places of the rows that have a value, the greatest first."""
    valued = [
        (result.macro.value, place)
        for place in places
        if (result := rows[place].metrics.get(metric)) is not None
        and result.macro.value is not None
    ]
    return sorted(valued, key=lambda pair: (-pair[0], pair[1]))


def _leads(first: Row, second: Row, metric: str, contrasts: Mapping[_Pair, Contrast]) -> bool:
    """Whether one contender is significantly better than another on the questions of both."""
    low, high = sorted((first.contender, second.contender))
    contrast = contrasts.get((metric, first.setting.value, first.part, low, high))
    if contrast is None or contrast.difference is None:
        return False
    sign = 1 if first.contender == low else -1
    return sign * contrast.difference > 0 and is_significant(contrast)
