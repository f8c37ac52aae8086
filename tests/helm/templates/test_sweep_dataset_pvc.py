"""The volume for the dataset and its pictures."""

import pytest
from pydantic import JsonValue

from tests.helm.chart import Manifest, at, list_at, mapping_at, name_of, render

TEMPLATE = "sweep/dataset-pvc.yaml"
DEMO = "cpu-demo-values.yaml"
CLAIM = "demo-expart-serving-dataset"


def values(**dataset: JsonValue) -> Manifest:
    return {"sweep": {"dataset": {"existingClaim": "", "createClaim": True, **dataset}}}


@pytest.mark.parametrize(
    "given",
    [
        values(createClaim=False),
        values(existingClaim="pictures"),
        {"sweep": {**mapping_at(values(), "sweep"), "enabled": False}},
    ],
    ids=str,
)
def test_it_is_not_made_where_it_is_not_wanted(given: Manifest) -> None:
    assert render(DEMO, values=given).from_template(TEMPLATE) == ()


def test_it_is_as_asked_for_and_outlives_the_release() -> None:
    given = values(size="9Gi", storageClassName="nfs", accessModes=["ReadOnlyMany"])
    (item,) = render(DEMO, values=given).from_template(TEMPLATE)
    assert name_of(item) == CLAIM
    spec = mapping_at(item, "spec")
    assert at(spec, "resources", "requests", "storage") == "9Gi"
    assert (spec["storageClassName"], spec["accessModes"]) == ("nfs", ["ReadOnlyMany"])
    assert mapping_at(item, "metadata", "annotations") == {"helm.sh/resource-policy": "keep"}


def test_drivers_mount_it_and_write_nothing_there() -> None:
    (job,) = render(DEMO, values=values()).from_template("sweep/job.yaml")
    volumes = list_at(job, "spec", "template", "spec", "volumes")
    (claim,) = [
        volume["persistentVolumeClaim"] for volume in volumes if volume["name"] == "dataset"
    ]
    assert claim == {"claimName": CLAIM, "readOnly": True}
