"""How many fronts a drain of nodes ends at a time."""

import pytest

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
    # Kubernetes asks the owner of pods for maxUnavailable, and a RayCluster has no scale to tell.
    assert "maxUnavailable" not in spec
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize(("missing", "stay"), [(1, 2), (2, 1), (5, 0)])
def test_how_many_may_be_missing_is_the_user_s_choice(missing: int, stay: int) -> None:
    values: Manifest = {"generation": {"front": {"replicas": 3, "maxUnavailable": missing}}}
    (item,) = render(DEMO, values=values).from_template(TEMPLATE)
    assert mapping_at(item, "spec")["minAvailable"] == stay
