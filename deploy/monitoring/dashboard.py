"""What a dashboard is, without a word on how Grafana writes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from deploy.monitoring.slo import AVAILABILITY


class Kind(Enum):
    """How a panel shows its queries."""

    TIMESERIES = "timeseries"
    # The number at the end of the chosen time: one that is gone is not shown any more.
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
        empty: What is shown where there are no series; by default what its row says.
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
    empty: str = ""
    width: int = 8
    height: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together, and what an empty one of them means."""

    title: str
    panels: tuple[Panel, ...]
    empty: str = ""


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
    empty: str = "",
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
        empty=empty,
        width=4,
        height=4,
    )


def bad_from(warning: float, critical: float) -> tuple[Step, ...]:
    """Colours of what must not be large."""
    return (Step(warning, "orange"), Step(critical, "red"))


def firing_alerts() -> Panel:
    """Makes the panel that every dashboard begins with: each alert that fires, by name.

    That none fires is only said where the rules are loaded.
    """
    firing = 'ALERTS{alertname=~"Expart.*",alertstate="firing",namespace=~"$namespace"}'
    none = f"0 * {AVAILABILITY.objective_record} unless on () {firing}"
    return Panel(
        "Alerts firing",
        "Which alerts of this chart fire, and for how many models, pools or sweeps. What each "
        "means and what to do is in docs/runbooks, by name.",
        "short",
        (
            Query(
                f'count by (alertname) ({firing}) or label_replace({none}, "alertname", '
                '"none", "", "")',
                "{{alertname}}",
            ),
        ),
        Kind.STAT,
        steps=(Step(1, "red"),),
        decimals=0,
        empty="Prometheus has no rules of ours",
        width=24,
        height=3,
    )
