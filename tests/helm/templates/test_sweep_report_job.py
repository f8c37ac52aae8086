"""The Job that writes a sweep's report."""

from pydantic import JsonValue

from tests.helm.chart import Manifest, list_at, mapping_at, name_of, refusal, render

TEMPLATE = "sweep/report-job.yaml"
DEMO = "cpu-demo-values.yaml"


def values(**sweep: JsonValue) -> Manifest:
    return {"sweep": {"report": {"enabled": True}, **sweep}}


def test_it_is_not_there_unless_it_is_asked_for() -> None:
    off: Manifest = {"sweep": {"report": {"enabled": False}}}
    assert render(DEMO, values=off).from_template(TEMPLATE) == ()
    assert render(DEMO, values=values(enabled=False)).from_template(TEMPLATE) == ()


def test_it_reads_the_results_where_the_drivers_wrote_them() -> None:
    made = render(DEMO, values=values(name="first", results={"existingClaim": "results"}))
    (item,) = made.from_template(TEMPLATE)
    pod = mapping_at(item, "spec", "template", "spec")
    (container,) = list_at(pod, "containers")
    assert container["command"] == ["expart", "report", "/results/first"]
    claims = [
        mapping_at(volume, "persistentVolumeClaim").get("claimName")
        for volume in list_at(pod, "volumes")
    ]
    assert "results" in claims


def test_its_pods_are_none_of_the_drivers() -> None:
    (item,) = render(DEMO, values=values()).from_template(TEMPLATE)
    labels = mapping_at(item, "spec", "template", "metadata", "labels")
    assert labels["app.kubernetes.io/component"] == "report"


def test_every_revision_of_the_release_writes_another_one() -> None:
    (item,) = render(DEMO, values=values()).from_template(TEMPLATE)
    assert name_of(item) == "demo-expart-serving-report-1"


def test_results_in_an_object_store_are_reported_elsewhere() -> None:
    assert "expart report URL" in refusal(DEMO, values=values(results={"url": "s3://b/p"}))
