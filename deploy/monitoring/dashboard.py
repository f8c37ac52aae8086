"""What a dashboard is, without a word on how Grafana writes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a panel shows its queries."""

    TIMESERIES = "timeseries"
    STAT = "stat"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and how its series are called in the legend."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """From a value on, a panel has a colour."""

    value: float
    colour: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Attributes:
        title: What is seen.
        description: What it means, and what is to be wary of.
        unit: Grafana's name of the unit.
        queries: What is drawn.
        kind: How.
        steps: Colours by value, ascending; below the first it is green.
        maximum: End of the axis, where there is one.
        stacked: Whether series are added up.
        decimals: Digits after the point; Grafana's choice by default.
        runbook: Alert whose page tells what to do; empty: none.
        width: Of the dashboard's 24 columns.
        height: In rows.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = Kind.TIMESERIES
    steps: tuple[Step, ...] = ()
    maximum: float | None = None
    stacked: bool = False
    decimals: int | None = None
    runbook: str = ""
    width: int = 8
    height: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a dashboard: all values that a label has in some series."""

    name: str
    label: str
    series: str
    of: str

    @property
    def query(self) -> str:
        """As Grafana asks for the values."""
        return f"label_values({self.series}, {self.of})"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of Grafana."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    def panels(self) -> Iterator[Panel]:
        """Every panel, in order."""
        for row in self.rows:
            yield from row.panels


def stat(
    title: str,
    description: str,
    unit: str,
    query: str,
    *,
    legend: str = "",
    steps: tuple[Step, ...] = (),
    decimals: int | None = None,
    runbook: str = "",
    width: int = 4,
) -> Panel:
    """Makes a panel of one number."""
    return Panel(
        title,
        description,
        unit,
        (Query(query, legend),),
        Kind.STAT,
        steps=steps,
        decimals=decimals,
        runbook=runbook,
        width=width,
        height=4,
    )


def bad_from(warning: float, critical: float) -> tuple[Step, ...]:
    """Colours of what must not be large."""
    return (Step(warning, "orange"), Step(critical, "red"))


def firing_alerts(*matchers: str) -> Panel:
    """Makes the panel that every dashboard begins with."""
    which = ",".join(('alertname=~"Expart.*"', 'alertstate="firing"', *matchers))
    return stat(
        "Alerts firing",
        "How many of the alerts of this chart fire. What each means is in docs/runbooks, by name.",
        "short",
        f"count(ALERTS{{{which}}}) or vector(0)",
        steps=(Step(1, "red"),),
        decimals=0,
    )
