"""How many fronts a drain of nodes ends at a time."""

from tests.helm.chart import Manifest, mapping_at, render

TEMPLATE = "generation/pdb.yaml"
DEMO = "cpu-demo-values.yaml"


def test_it_is_not_there_where_generation_is_disabled() -> None:
    assert render("scoring-only-values.yaml").from_template(TEMPLATE) == ()


def test_it_is_of_the_fronts_alone() -> None:
    # Several models may have a single replica each: a budget would hold every drain up.
    (item,) = render(DEMO).from_template(TEMPLATE)
    spec = mapping_at(item, "spec")
    assert mapping_at(spec, "selector", "matchLabels")["expart-serving/node"] == "front"
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_how_many_may_be_missing_is_the_user_s_choice() -> None:
    values: Manifest = {"generation": {"front": {"maxUnavailable": 2}}}
    (item,) = render(DEMO, values=values).from_template(TEMPLATE)
    assert mapping_at(item, "spec")["maxUnavailable"] == 2
