"""How far metrics may fall from one sweep to the next, for checks that must fail."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.core.errors import UserInputError
from services.metrics.registry import METRICS
from services.sweep.leaderboard.standings import ALL_PARTS, reported
from services.sweep.report.compare.model import MetricChange, SweepComparison
from services.sweep.report.tables.layout import SETTING_NAMES, shown, shown_p
from services.sweep.spec.controls import Control

# A fall of exactly the amount is no greater one, whatever floats make of it.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a metric may fall.

    Attributes:
        metric: The metric.
        amount: The greatest fall that is allowed, as reports show values: shares times 100.
    """

    metric: str
    amount: float


def parse_limits(texts: Sequence[str]) -> tuple[Limit, ...]:
    """Reads limits such as ``ef1=1.0``.

    Raises:
        UserInputError: One is not of this form, names no metric or one twice, or is below 0.
    """
    limits: dict[str, Limit] = {}
    for text in texts:
        metric, separator, number = (part.strip() for part in text.partition("="))
        if not separator:
            raise UserInputError(f"'{text}' is no limit: write METRIC=AMOUNT, such as ef1=1.0")
        if metric not in METRICS:
            raise UserInputError(
                f"limit '{text}': there is no metric '{metric}'; there are {', '.join(METRICS)}"
            )
        if metric in limits:
            raise UserInputError(f"limit '{text}': {metric} has another limit before")
        try:
            amount = float(number)
        except ValueError:
            amount = math.nan
        if not (math.isfinite(amount) and amount >= 0):
            raise UserInputError(
                f"limit '{text}': '{number}' is no amount; give 0 or more, such as 1.0"
            )
        limits[metric] = Limit(metric, amount)
    return tuple(limits.values())


def broken_limits(comparison: SweepComparison, limits: Sequence[Limit]) -> list[str]:
    """Says which metrics fell by more than they may, a sentence each.

    Looked at are the means over all parts of the test, in each setting, of models that were shown
    the right pictures; how sure a fall is does not matter. A metric that had values and shares
    none with the new sweep breaks a limit too: a check must not pass because answers are missing.

    Raises:
        UserInputError: A limit is about a metric that was not computed in both sweeps.
    """
    for limit in limits:
        if limit.metric not in comparison.metrics:
            known = ", ".join(comparison.metrics) or "none"
            raise UserInputError(
                f"limit for {limit.metric}: no question was scored by it in both sweeps; common "
                f"metrics: {known}"
            )
    return [line for limit in limits for line in _broken(comparison, limit)]


def _broken(comparison: SweepComparison, limit: Limit) -> Iterator[str]:
    for model in comparison.models:
        if model.control is not Control.NONE:
            continue
        for change in model.metrics:
            if change.metric == limit.metric and change.part == ALL_PARTS:
                where = f"{change.metric} of {model.label}, {SETTING_NAMES[change.setting]}"
                if change.contrast.difference is None and change.old_scored:
                    yield f"{where}: no question has a value in both sweeps"
                elif _fall(change) > limit.amount + _TOLERANCE:
                    yield f"{where}: {_words(change)}, more than {limit.amount:g}"


def _fall(change: MetricChange) -> float:
    return -(reported(change.metric, change.contrast.difference) or 0.0)


def _words(change: MetricChange) -> str:
    p = change.contrast.p_corrected
    return (
        f"fell by {_fall(change):.2f} from {shown(change.metric, change.old)} to "
        f"{shown(change.metric, change.new)} over {change.contrast.questions} questions "
        f"(p {shown_p(p)})"
    )
