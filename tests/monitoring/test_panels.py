"""What somebody sees who opens a dashboard because of an alert."""

import pytest

from deploy.monitoring.dashboard import Dashboard, Kind, Panel
from deploy.monitoring.series import declared_series
from deploy.monitoring.write import DASHBOARDS
from tests.monitoring.asked import labels_of_result, panel_queries, selectors, with_choices
from tests.monitoring.test_alert_rules import ALERTS

# A choice, and the labels that it is of in whatever tells of it.
CHOICES = {
    "model": {"model", "gen_ai_request_model", "model_name", "application"},
    "sweep": {"sweep"},
}
# The alerts of a namespace concern whoever looks; a promise has no namespace.
OF_ALL = {"ALERTS", "expart:availability:objective", "expart:time_to_first_token:objective"}
PANELS = [
    pytest.param(dashboard, panel, id=f"{dashboard.uid} {panel.title}")
    for dashboard in DASHBOARDS
    for panel in dashboard.panels()
]


def ignored_choices(dashboard: Dashboard, expr: str) -> list[str]:
    """Choices of a dashboard that a query could heed, and does not."""
    known = declared_series()
    offered = {variable.name for variable in dashboard.variables}
    # The test's own words in the place of Grafana's, which a parser does not know.
    marked = expr.replace("$__rate_interval", "5m")
    found = []
    for one in selectors(marked):
        given = {matcher.name: matcher.value for matcher in one.matchers.matchers}
        if "$namespace" not in given.get("namespace", "") and one.name not in OF_ALL:
            found.append(f"{one.name}: namespace")
        if one.name in OF_ALL:
            continue
        found += [
            f"{one.name}: {choice}"
            for choice, labels in CHOICES.items()
            if choice in offered
            for label in labels & known[one.name or ""]
            if f"${choice}" not in given.get(label, "")
        ]
    return found


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_every_query_heeds_every_choice_that_it_can(dashboard: Dashboard, panel: Panel) -> None:
    for query in panel.queries:
        assert not ignored_choices(dashboard, query.expr)


def test_a_choice_that_is_ignored_is_found() -> None:
    [sweep] = (one for one in DASHBOARDS if one.uid == "expart-sweep")
    assert ignored_choices(
        sweep, 'sum(rate(expart_sweep_retries_total{sweep=~"$sweep"}[$__rate_interval]))'
    ) == ["expart_sweep_retries_total: namespace", "expart_sweep_retries_total: model"]


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_a_panels_window_is_grafanas_or_an_hour(dashboard: Dashboard, panel: Panel) -> None:
    for query in panel.queries:
        windows = {one.partition("]")[0] for one in query.expr.split("[")[1:]}
        assert windows <= {"$__rate_interval", "1h"}, dashboard.uid


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_lines_that_differ_have_names_that_differ(dashboard: Dashboard, panel: Panel) -> None:
    for query in panel.queries:
        labels = labels_of_result(with_choices(query.expr))
        if labels is None:
            # Not grouped: each process has a line, or each of what a rule has grouped.
            name = selectors(with_choices(query.expr))[0].name or ""
            level = name.partition(":")[0]
            labels = set(level.split("_")) - {"component"} if ":" in name else {"instance"}
        assert labels <= set(query.legend.replace("{{", " ").replace("}}", " ").split()), labels
    legends = [query.legend for query in panel.queries]
    assert len(set(legends)) == len(legends)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_what_matters_stands_on_top(dashboard: Dashboard) -> None:
    alerts, *numbers = dashboard.rows[0].panels
    assert alerts.title == "Alerts firing"
    assert all(panel.kind is Kind.STAT for panel in numbers)
    assert sum(panel.width for panel in numbers) == 24
    for row in dashboard.rows:
        # An empty panel says whether that is as it should be.
        assert row.empty


def test_every_alert_has_a_panel_that_leads_to_its_page() -> None:
    linked = {panel.runbook for dashboard in DASHBOARDS for panel in dashboard.panels()}
    assert {alert.name for alert in ALERTS} == linked - {""}


def test_queries_that_are_asked_of_the_real_stack_are_those_of_all_panels() -> None:
    count = sum(len(panel.queries) for dashboard in DASHBOARDS for panel in dashboard.panels())
    assert len([*panel_queries()]) == count
