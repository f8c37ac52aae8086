"""The volume for a sweep's results."""

import pytest

from tests.helm.chart import Manifest, at, mapping_at, name_of, render

TEMPLATE = "sweep/results-pvc.yaml"
DEMO = "cpu-demo-values.yaml"


@pytest.mark.parametrize(
    "sweep",
    [
        {"enabled": False},
        {"results": {"url": "s3://bucket/prefix"}},
        {"results": {"existingClaim": "results"}},
    ],
    ids=str,
)
def test_it_is_not_made_where_results_go_elsewhere(sweep: Manifest) -> None:
    assert render(DEMO, values={"sweep": sweep}).from_template(TEMPLATE) == ()


def test_it_is_as_asked_for_and_outlives_the_release() -> None:
    results: Manifest = {
        "existingClaim": "",
        "url": "",
        "size": "7Gi",
        "storageClassName": "nfs",
        "accessModes": ["ReadWriteMany"],
    }
    (item,) = render(DEMO, values={"sweep": {"results": results}}).from_template(TEMPLATE)
    assert name_of(item) == "demo-expart-serving-sweep-results"
    spec = mapping_at(item, "spec")
    assert at(spec, "resources", "requests", "storage") == "7Gi"
    assert (spec["storageClassName"], spec["accessModes"]) == ("nfs", ["ReadWriteMany"])
    assert mapping_at(item, "metadata", "annotations") == {"helm.sh/resource-policy": "keep"}


def test_it_keeps_its_name_when_the_sweep_changes() -> None:
    own: Manifest = {"existingClaim": "", "url": ""}
    names = {
        name_of(
            render(
                DEMO,
                values={"sweep": {"results": own, "spec": {"sampling": {"max_tokens": number}}}},
            ).from_template(TEMPLATE)[0]
        )
        for number in (7, 8)
    }
    assert len(names) == 1
