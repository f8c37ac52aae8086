"""Autoscaling of the scoring service by processor time."""

import pytest

from tests.helm.chart import Manifest, at, list_at, mapping_at, name_of, render

TEMPLATE = "scoring/hpa.yaml"
ALONE = "scoring-only-values.yaml"


@pytest.mark.parametrize("mode", ["none", "keda"])
def test_it_is_not_there_where_something_else_scales(mode: str) -> None:
    keda: Manifest = {"prometheusAddress": "http://prometheus:9090"}
    values: Manifest = {"scoring": {"autoscaling": {"mode": mode, "keda": keda}}}
    assert render(ALONE, values=values).from_template(TEMPLATE) == ()


def test_it_is_not_there_where_scoring_is_disabled() -> None:
    values: Manifest = {
        "scoring": {"enabled": False, "autoscaling": {"mode": "hpa"}},
        "sweep": {"scoringAddress": "scoring.example:50061"},
    }
    assert render("cpu-demo-values.yaml", values=values).from_template(TEMPLATE) == ()


def test_it_keeps_the_service_s_own_container_below_the_wanted_use() -> None:
    scaling: Manifest = {
        "mode": "hpa",
        "minReplicas": 3,
        "maxReplicas": 30,
        "targetCPUUtilizationPercentage": 60,
        "scaleDownStabilizationSeconds": 120,
    }
    (item,) = render(ALONE, values={"scoring": {"autoscaling": scaling}}).from_template(TEMPLATE)
    spec = mapping_at(item, "spec")
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 30)
    (metric,) = list_at(spec, "metrics")
    # The whole pod's would count what a mesh adds to it.
    assert at(metric, "containerResource", "container") == "scoring"
    assert at(metric, "containerResource", "target", "averageUtilization") == 60
    assert at(spec, "behavior", "scaleDown", "stabilizationWindowSeconds") == 120


def test_a_release_switches_to_keda_and_back() -> None:
    # Helm makes what is new before it deletes what is gone, so for a moment both are there. KEDA's
    # webhook refuses to scale what an autoscaler without this annotation scales:
    # https://keda.sh/docs/latest/operate/admission-webhooks/
    (own,) = render(ALONE).from_template(TEMPLATE)
    annotations = mapping_at(own, "metadata", "annotations")
    assert annotations["validations.keda.sh/hpa-ownership"] == "false"
    # And back: Helm refuses to make what somebody else has made under the same name.
    keda: Manifest = {"mode": "keda", "keda": {"prometheusAddress": "http://prometheus:9090"}}
    scaled = render(ALONE, values={"scoring": {"autoscaling": keda}}).only("ScaledObject")
    made_by_keda = at(scaled, "spec", "advanced", "horizontalPodAutoscalerConfig", "name")
    assert made_by_keda != name_of(own)
