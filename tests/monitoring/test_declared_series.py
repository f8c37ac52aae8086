"""No query asks for a series, or for a label of it, that nobody gives."""

import pytest

from deploy.monitoring.dashboard import Variable
from deploy.monitoring.series import TARGET_LABELS, declared_series
from deploy.monitoring.slo import TIME_TO_FIRST_TOKEN
from deploy.monitoring.write import DASHBOARDS
from services.telemetry.generation_metrics import GenerationMetrics
from tests.monitoring.asked import (
    Asked,
    compared,
    grouped_by,
    panel_queries,
    rule_queries,
    selectors,
    with_choices,
)

EVERY_QUERY = [*panel_queries(), *rule_queries()]
VARIABLES = [
    pytest.param(variable, id=f"{dashboard.uid} {variable.name}")
    for dashboard in DASHBOARDS
    for variable in dashboard.variables
]


def faults(asked: Asked) -> list[str]:
    """What of a query nobody gives."""
    known = declared_series()
    found = []
    for selector in selectors(asked.expr):
        if selector.name not in known:
            found.append(f"{asked.place}: {selector.name} is declared nowhere")
            continue
        labels = {matcher.name for matcher in selector.matchers.matchers}
        for label in labels - known[selector.name] - TARGET_LABELS:
            found.append(f"{asked.place}: {selector.name} has no label {label}")  # noqa: PERF401
    return found + _grouping_faults(asked)


def _grouping_faults(asked: Asked) -> list[str]:
    known = declared_series()
    # label_replace makes the label that the conventions call otherwise.
    made = {"model"} if "label_replace" in asked.expr else set()
    return [
        f"{asked.place}: no series below has the label {label}"
        for labels, below in grouped_by(asked.expr)
        for label in set(labels) - TARGET_LABELS - made
        if not any(label in known.get(one.name or "", ()) for one in below)
    ]


def test_every_series_and_label_of_every_query_is_declared() -> None:
    assert not [fault for asked in EVERY_QUERY for fault in faults(asked)]


@pytest.mark.parametrize(
    ("expr", "fault"),
    [
        ("rate(expart_sweep_question_settled_total[5m])", "is declared nowhere"),
        ('expart_generation_waiting{queue="sweep"}', "has no label queue"),
        ("sum by (modell) (expart_generation_waiting)", "no series below has the label modell"),
    ],
)
def test_what_nobody_gives_is_found(expr: str, fault: str) -> None:
    [found] = faults(Asked("here", expr))
    assert fault in found


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_choices_of_a_dashboard_come_from_a_declared_label(variable: Variable) -> None:
    asked = Asked(variable.name, with_choices(variable.series))
    assert not faults(asked)
    [selector] = selectors(asked.expr)
    assert variable.of in declared_series()[selector.name or ""] | TARGET_LABELS


def test_the_promised_first_token_is_a_bound_of_the_histogram() -> None:
    assert TIME_TO_FIRST_TOKEN.limit_s in GenerationMetrics.FIRST_TOKEN_SECONDS.bounds


def test_an_alert_is_taken_apart_where_it_compares() -> None:
    assert compared("(a > 3) and on (m) b{c='d'} == 0 unless 2 * rate(e[5m]) > scalar(f)") == [
        "a",
        'b{c="d"}',
        "2 * rate(e[5m])",
        "scalar(f)",
    ]
