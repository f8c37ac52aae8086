"""The Job that fills the dataset's volume."""

import pytest
from pydantic import JsonValue

from tests.helm.chart import Manifest, at, list_at, mapping_at, name_of, refusal, render

TEMPLATE = "sweep/dataset-job.yaml"
DEMO = "cpu-demo-values.yaml"
CONTACT = "you@example.org"


def values(prepare: Manifest | None = None, **dataset: JsonValue) -> Manifest:
    wanted: Manifest = {"enabled": True, "contact": CONTACT, **(prepare or {})}
    return {"sweep": {"dataset": {"existingClaim": "pictures", "prepare": wanted, **dataset}}}


def job(given: Manifest) -> Manifest:
    (found,) = render(DEMO, values=given).from_template(TEMPLATE)
    return found


def container(item: Manifest) -> Manifest:
    (found,) = list_at(item, "spec", "template", "spec", "containers")
    return found


def test_it_is_not_there_unless_it_is_asked_for() -> None:
    assert render(DEMO).from_template(TEMPLATE) == ()
    assert render(DEMO, values=values({"enabled": False})).from_template(TEMPLATE) == ()


def test_it_prepares_the_dataset_on_its_volume() -> None:
    item = container(
        job(values({"arguments": ["--split=test_seen", "--no-images"]}, subPath="art"))
    )
    assert item["command"] == [
        *("expart", "dataset", "prepare", "/dataset", f"--contact={CONTACT}"),
        *("--split=test_seen", "--no-images"),
    ]
    (mount,) = [one for one in list_at(item, "volumeMounts") if one["name"] == "dataset"]
    # Not read-only, as it is for drivers.
    assert mount == {"name": "dataset", "mountPath": "/dataset", "subPath": "art"}


def test_the_servers_of_pictures_are_told_who_asks() -> None:
    assert "sweep.dataset.prepare.contact" in refusal(DEMO, values=values({"contact": ""}))


def test_it_needs_a_volume() -> None:
    said = refusal(DEMO, values=values(existingClaim=""))
    assert "sweep.dataset.createClaim" in said
    given = values(existingClaim="", createClaim=True)
    volumes = list_at(job(given), "spec", "template", "spec", "volumes")
    claims = [mapping_at(volume, "persistentVolumeClaim").get("claimName") for volume in volumes]
    assert "demo-expart-serving-dataset" in claims


def test_it_gets_no_keys_of_the_object_store() -> None:
    given = values()
    assert "envFrom" not in container(
        job({"sweep": {**mapping_at(given, "sweep"), "secretEnv": ["x"]}})
    )


@pytest.mark.parametrize(
    ("more", "is_another"),
    [
        ({"dataset": {"prepare": {"arguments": ["--retry-dead"]}}}, True),
        ({"nodeSelector": {"pool": "cpu"}}, True),
        ({"extraEnv": [{"name": "HF_ENDPOINT", "value": "https://hub.example"}]}, True),
        ({"spec": {"seed": 1}}, False),
        ({"dataset": {"size": "60Gi"}}, False),
        ({"serviceAccount": {"name": "writer"}}, False),
        ({"drivers": 3}, False),
    ],
    ids=str,
)
def test_it_has_another_name_where_its_pods_change(more: Manifest, *, is_another: bool) -> None:
    sweep = mapping_at(values(), "sweep")
    dataset = {**mapping_at(sweep, "dataset"), **mapping_at(more, "dataset")}
    prepare = {**mapping_at(sweep, "dataset", "prepare"), **mapping_at(more, "dataset", "prepare")}
    changed: Manifest = {**sweep, **more, "dataset": {**dataset, "prepare": prepare}}
    first, second = job(values()), job({"sweep": changed})
    assert (name_of(first) != name_of(second)) == is_another
    assert (at(first, "spec") != at(second, "spec")) == is_another


def test_another_name_of_the_chart_makes_another_job() -> None:
    # It stands in the labels of the pods, which nobody can change.
    same: Manifest = {"fullnameOverride": "art", **values()}
    first, second = job(same), job({**same, "nameOverride": "other"})
    assert at(first, "spec") != at(second, "spec")
    assert name_of(first) != name_of(second)


def test_it_has_no_account_that_may_write_results() -> None:
    # It opens pictures from anywhere; the drivers' account may have a cloud's role.
    pod = mapping_at(job(values()), "spec", "template", "spec")
    assert "serviceAccountName" not in pod
    assert pod["automountServiceAccountToken"] is False


def test_the_loss_of_a_node_is_nobody_s_fault() -> None:
    (rule,) = list_at(job(values()), "spec", "podFailurePolicy", "rules")
    assert (rule["action"], at(rule, "onPodConditions", 0, "type")) == (
        "Ignore",
        "DisruptionTarget",
    )
