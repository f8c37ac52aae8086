"""Where Prometheus finds the scoring service's metrics."""

from tests.helm.chart import Manifest, labels_of, list_at, mapping_at, render

TEMPLATE = "scoring/service-metrics.yaml"
ALONE = "scoring-only-values.yaml"


def test_it_is_not_there_where_scoring_is_disabled() -> None:
    values: Manifest = {
        "scoring": {"enabled": False},
        "sweep": {"scoringAddress": "scoring.example:50061"},
    }
    assert render("cpu-demo-values.yaml", values=values).from_template(TEMPLATE) == ()


def test_it_is_of_the_cluster_alone_whatever_callers_come_by() -> None:
    values: Manifest = {"scoring": {"service": {"type": "LoadBalancer"}}}
    (item,) = render(ALONE, values=values).from_template(TEMPLATE)
    spec = mapping_at(item, "spec")
    assert (spec["type"], spec["clusterIP"]) == ("ClusterIP", "None")
    ports = {
        port["name"]: (port["port"], port["targetPort"]) for port in list_at(item, "spec", "ports")
    }
    assert ports == {"metrics": (9465, "metrics")}


def test_the_monitor_finds_it_and_not_the_callers_service() -> None:
    made = render(ALONE)
    (item,) = made.from_template(TEMPLATE)
    monitor = made.only("ServiceMonitor")
    wanted = mapping_at(monitor, "spec", "selector", "matchLabels").items()
    assert [one for one in made.of("Service") if wanted <= labels_of(one).items()] == [item]
    (endpoint,) = list_at(monitor, "spec", "endpoints")
    assert endpoint["port"] == "metrics"
