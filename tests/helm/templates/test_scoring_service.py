"""Where callers find the scoring service."""

from tests.helm.chart import Manifest, list_at, mapping_at, name_of, render

TEMPLATE = "scoring/service.yaml"
ALONE = "scoring-only-values.yaml"


def test_it_is_not_there_where_scoring_is_disabled() -> None:
    values: Manifest = {
        "scoring": {"enabled": False},
        "sweep": {"scoringAddress": "scoring.example:50061"},
    }
    assert render("cpu-demo-values.yaml", values=values).from_template(TEMPLATE) == ()


def test_it_leads_to_grpc_and_shows_no_metrics() -> None:
    # It may be a load balancer, and metrics ask nobody for a token.
    (item,) = render(ALONE).from_template(TEMPLATE)
    assert name_of(item) == "demo-expart-serving-scoring"
    ports = {
        port["name"]: (port["port"], port["targetPort"]) for port in list_at(item, "spec", "ports")
    }
    assert ports == {"grpc": (50061, "grpc")}


def test_type_and_annotations_are_the_user_s() -> None:
    service: Manifest = {"type": "LoadBalancer", "annotations": {"cloud/internal": "true"}}
    (item,) = render(ALONE, values={"scoring": {"service": service}}).from_template(TEMPLATE)
    assert mapping_at(item, "spec")["type"] == "LoadBalancer"
    assert mapping_at(item, "metadata", "annotations") == {"cloud/internal": "true"}
