"""What dashboards and rules ask Prometheus, taken apart by a parser of its language."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser as promql

from deploy.monitoring.rule import Alert
from deploy.monitoring.series import RULE_FILES
from deploy.monitoring.write import DASHBOARDS

# What Grafana would put in: everything that there is.
CHOICES: Mapping[str, str] = {
    "$__rate_interval": "10s",
    "$namespace": ".*",
    "$model": ".*",
    "$sweep": ".*",
}
_FILTERS = frozenset({"==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"})


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression, and who asks it."""

    place: str
    expr: str


def panel_queries() -> Iterator[Asked]:
    """Every query of every panel, with everything chosen."""
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels():
            for query in panel.queries:
                yield Asked(f"{dashboard.uid}: {panel.title}", with_choices(query.expr))


def rule_queries() -> Iterator[Asked]:
    """Every recording, and of every alert what it compares."""
    for groups in RULE_FILES.values():
        for group in groups:
            for rule in group.rules:
                if isinstance(rule, Alert):
                    for part in compared(rule.expr):
                        yield Asked(f"alert {rule.name}", part)
                else:
                    yield Asked(rule.record, rule.expr)


def with_choices(expr: str) -> str:
    """Puts values in the place of Grafana's variables."""
    return re.sub(r"\$\w+", lambda found: CHOICES[found[0]], expr)


def selectors(expr: str) -> list[promql.VectorSelector]:
    """Every selection of series in an expression."""
    found: list[promql.VectorSelector] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            found.append(node)

    promql.walk(promql.parse(expr), visit)
    return found


def grouped_by(expr: str) -> Iterator[tuple[tuple[str, ...], list[promql.VectorSelector]]]:
    """For every aggregation by labels: the labels, and the selections below it."""
    found: list[tuple[tuple[str, ...], promql.Expr]] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            found.append((tuple(node.modifier.labels), node.expr))

    promql.walk(promql.parse(expr), visit)
    for labels, below in found:
        yield labels, selectors(below.prettify())


def compared(expr: str) -> list[str]:
    """The sides of comparisons and of set operators that hold series: what has data in peace."""
    return [side.prettify() for side in _sides(promql.parse(expr)) if selectors(side.prettify())]


def _sides(node: promql.Expr) -> Iterator[promql.Expr]:
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    if isinstance(node, promql.BinaryExpr) and str(node.op) in _FILTERS:
        yield from _sides(node.lhs)
        yield from _sides(node.rhs)
    else:
        yield node
