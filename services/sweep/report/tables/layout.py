"""How tables write names and numbers: the same in Markdown, LaTeX and the terminal."""

import math
from dataclasses import dataclass

from services.benchmark.records import Setting
from services.metrics.registry import METRICS
from services.sweep.leaderboard.standings import reported
from services.sweep.report.model import Interval

NOTHING = "–"  # noqa: RUF001 - a dash in a table cell
"""Stands where there is no value."""

SIGNIFICANCE_LEVEL = 0.05
"""A corrected p below it makes a difference significant."""

SETTING_NAMES = {Setting.WITH_TITLE: "With Title", Setting.WITHOUT_TITLE: "Without Title"}

SHORT_SETTING_NAMES = {Setting.WITH_TITLE: "with", Setting.WITHOUT_TITLE: "w/o"}


@dataclass(frozen=True, slots=True)
class Heading:
    """A metric's column heading, in two short lines.

    Attributes:
        top: The metric, or its family.
        bottom: Which of the family; may be empty.
    """

    top: str
    bottom: str = ""

    @property
    def line(self) -> str:
        """The heading in one line."""
        return f"{self.top} {self.bottom}".strip()


_HEADINGS = {
    "bleu": Heading("BLEU"),
    "rouge_1": Heading("R-1"),
    "rouge_2": Heading("R-2"),
    "rouge_l": Heading("R-L"),
    "bertscore": Heading("BERT", "score"),
    "ef1": Heading("EF1"),
    "ec_exact": Heading("EC", "exact"),
    "ec_partial": Heading("EC", "part"),
    "ecooc_0": Heading("ECooc", "0"),
    "ecooc_1": Heading("ECooc", "1"),
    "ecooc_2": Heading("ECooc", "2"),
    "ecooc_inf": Heading("ECooc", "∞"),
    "length": Heading("len"),
}


def heading(metric: str) -> Heading:
    """The heading of a metric's column; its name where tables have no shorter one."""
    return _HEADINGS.get(metric, Heading(metric))


def has_best(metric: str) -> bool:
    """Whether a greater value is a better one: longer explanations are not."""
    return not math.isinf(METRICS[metric].max_value)


def shown(metric: str, value: float | None) -> str:
    """A metric's value as tables write it: shares times 100 with two decimals, lengths with one."""
    number = reported(metric, value)
    return NOTHING if number is None else f"{number:.{_decimals(metric)}f}"


def shown_difference(metric: str, value: float | None) -> str:
    """A difference of two values as tables write it, with its sign; 0 has none."""
    number = reported(metric, value)
    if number is None:
        return NOTHING
    decimals = _decimals(metric)
    text = f"{number:+.{decimals}f}"
    return f"{0:.{decimals}f}" if float(text) == 0 else text


def shown_bounds(metric: str, interval: Interval | None) -> str:
    """An interval as ``[low, high]``; empty where there is none."""
    if interval is None:
        return ""
    return f"[{shown(metric, interval.low)}, {shown(metric, interval.high)}]"


def shown_spread(metric: str, interval: Interval | None) -> str:
    """Half the width of an interval as ``±…``; empty where there is none."""
    if interval is None:
        return ""
    return f"±{shown(metric, (interval.high - interval.low) / 2)}"


def shown_p(p: float | None) -> str:
    """A p-value with three decimals; those below 0.001 as ``<0.001``."""
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - the least that is shown


def _decimals(metric: str) -> int:
    return 2 if has_best(metric) else 1
