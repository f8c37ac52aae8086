"""Where callers find the fronts."""

from tests.helm.chart import Manifest, list_at, mapping_at, name_of, render

TEMPLATE = "generation/service.yaml"
DEMO = "cpu-demo-values.yaml"


def service(**values: object) -> Manifest:
    given = {"generation": {"front": {"service": values}}}
    (found,) = render(DEMO, values=given).from_template(TEMPLATE)  # type: ignore[arg-type]
    return found


def test_it_is_not_there_where_generation_is_disabled() -> None:
    assert render("scoring-only-values.yaml").from_template(TEMPLATE) == ()


def test_it_leads_to_the_fronts_alone() -> None:
    item = service()
    assert name_of(item) == "demo-expart-serving-generation"
    assert mapping_at(item, "spec", "selector")["expart-serving/node"] == "front"
    (port,) = list_at(item, "spec", "ports")
    assert (port["name"], port["port"], port["targetPort"]) == ("grpc", 50051, "grpc")


def test_it_is_headless_so_that_clients_see_every_front_and_only_ready_ones() -> None:
    spec = mapping_at(service(), "spec")
    assert spec["clusterIP"] == "None"
    assert not spec.get("publishNotReadyAddresses", False)


def test_gateways_are_told_whether_the_fronts_speak_tls() -> None:
    (plain,) = list_at(service(), "spec", "ports")
    assert plain["appProtocol"] == "kubernetes.io/h2c"
    (item,) = render("secured-values.yaml").from_template(TEMPLATE)
    (secured,) = list_at(item, "spec", "ports")
    assert secured["appProtocol"] == "https"


def test_a_load_balancer_can_stand_before_the_fronts() -> None:
    item = service(headless=False, type="LoadBalancer", annotations={"cloud/internal": "true"})
    assert mapping_at(item, "spec")["type"] == "LoadBalancer"
    assert "clusterIP" not in mapping_at(item, "spec")
    assert mapping_at(item, "metadata", "annotations") == {"cloud/internal": "true"}
