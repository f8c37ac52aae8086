"""What dashboards and rules ask Prometheus, taken apart by a parser of its language."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser as promql

from deploy.monitoring.rule import Alert
from deploy.monitoring.series import RULE_FILES
from deploy.monitoring.write import DASHBOARDS
from tests.monitoring.programs import RUNBOOKS

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
    """An expression, and who asks it.

    Attributes:
        legend: How its series are called, where a panel shows them.
    """

    place: str
    expr: str
    legend: str = ""

    def named_labels(self) -> set[str]:
        """Labels that the legend names."""
        return set(re.findall(r"{{(\w+)}}", self.legend))


def panel_queries() -> Iterator[Asked]:
    """Every query of every panel, with everything chosen."""
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels():
            for query in panel.queries:
                place = f"{dashboard.uid}: {panel.title}"
                yield Asked(place, with_choices(query.expr), query.legend)


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


def runbook_queries() -> Iterator[Asked]:
    """Every query of every runbook."""
    for page in sorted(RUNBOOKS.glob("Expart*.md")):
        blocks = re.findall(
            r"^```promql\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        for block in blocks:
            for line in block.splitlines():
                yield Asked(page.stem, line)


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


def labels_of_result(expr: str) -> set[str] | None:
    """Labels by which the series of a result differ; None where nothing groups them."""
    return _labels_of(promql.parse(expr))


def _labels_of(node: promql.Expr) -> set[str] | None:
    match node:
        case promql.AggregateExpr():
            return set(node.modifier.labels) if node.modifier else set()
        case promql.ParenExpr():
            return _labels_of(node.expr)
        case promql.BinaryExpr():
            of_left = _labels_of(node.lhs)
            return _labels_of(node.rhs) if isinstance(node.lhs, promql.NumberLiteral) else of_left
        case promql.Call() if node.func.name == "histogram_quantile":
            of_buckets = _labels_of(node.args[1])
            return None if of_buckets is None else of_buckets - {"le"}
    return None


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
