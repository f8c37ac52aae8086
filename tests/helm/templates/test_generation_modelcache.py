"""The volume that keeps weights."""

import pytest

from tests.helm.chart import Manifest, at, mapping_at, name_of, render

TEMPLATE = "generation/modelcache.yaml"
DEMO = "cpu-demo-values.yaml"


@pytest.mark.parametrize(
    "cache",
    [
        {"type": "emptyDir"},
        {"type": "image"},
        {"type": "hostPath", "hostPath": "/data"},
        {"type": "persistentVolumeClaim", "existingClaim": "weights"},
    ],
    ids=str,
)
def test_it_is_not_made_where_weights_lie_elsewhere(cache: Manifest) -> None:
    values: Manifest = {"generation": {"modelCache": cache}}
    assert render(DEMO, values=values).from_template(TEMPLATE) == ()


def test_it_is_not_made_where_generation_is_disabled() -> None:
    values: Manifest = {
        "generation": {"enabled": False, "modelCache": {"type": "persistentVolumeClaim"}}
    }
    assert render("scoring-only-values.yaml", values=values).from_template(TEMPLATE) == ()


def test_it_is_as_large_as_asked_for_and_outlives_the_release() -> None:
    cache: Manifest = {
        "type": "persistentVolumeClaim",
        "existingClaim": "",
        "size": "2Ti",
        "storageClassName": "fast",
        "accessModes": ["ReadWriteMany"],
    }
    (item,) = render(DEMO, values={"generation": {"modelCache": cache}}).from_template(TEMPLATE)
    assert name_of(item) == "demo-expart-serving-models"
    spec = mapping_at(item, "spec")
    assert at(spec, "resources", "requests", "storage") == "2Ti"
    assert (spec["storageClassName"], spec["accessModes"]) == ("fast", ["ReadWriteMany"])
    assert mapping_at(item, "metadata", "annotations") == {"helm.sh/resource-policy": "keep"}
