"""How many of the scoring service's pods a drain of nodes ends at a time."""

from tests.helm.chart import Manifest, mapping_at, render

TEMPLATE = "scoring/pdb.yaml"
ALONE = "scoring-only-values.yaml"


def test_it_is_not_there_where_it_is_disabled() -> None:
    values: Manifest = {"scoring": {"podDisruptionBudget": {"enabled": False}}}
    assert render(ALONE, values=values).from_template(TEMPLATE) == ()


def test_one_pod_may_be_missing_and_those_that_are_not_ready_may_go() -> None:
    (item,) = render(ALONE).from_template(TEMPLATE)
    spec = mapping_at(item, "spec")
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_share_in_percent_is_taken() -> None:
    values: Manifest = {"scoring": {"podDisruptionBudget": {"maxUnavailable": "25%"}}}
    (item,) = render(ALONE, values=values).from_template(TEMPLATE)
    assert mapping_at(item, "spec")["maxUnavailable"] == "25%"
