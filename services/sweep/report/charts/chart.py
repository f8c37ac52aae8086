"""What a chart is: its picture, or one picture a metric, and how to read it."""

from collections.abc import Mapping
from dataclasses import dataclass

WHOLE = ""
"""Stands for the metric where a chart is not about one."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of a report.

    Attributes:
        id: Names it; letters and underscores.
        heading: Its heading.
        caption: One sentence that says how to read it.
        svg: An ``<svg>`` element for each metric that has something to show, in the order of the
            report; under ``""`` alone where the chart is not about one metric. Its looks are in
            ``charts.css``.
    """

    id: str
    heading: str
    caption: str
    svg: Mapping[str, str]

    @property
    def is_per_metric(self) -> bool:
        """Whether there is a picture for each metric, of which a page shows one at a time."""
        return WHOLE not in self.svg
