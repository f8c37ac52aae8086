"""What Prometheus' operator is told of fronts, Ray and drivers."""

from tests.helm.chart import Manifest, Rendered, at, labels_of, list_at, mapping_at, name_of, render
from tests.helm.pods import pod_templates

TEMPLATE = "monitoring/podmonitors.yaml"
DEMO = "cpu-demo-values.yaml"


def made(**more: object) -> Rendered:
    values = {"monitoring": {"podMonitor": {"enabled": True}, **more}}
    return render(DEMO, values=values)  # type: ignore[arg-type]


def test_there_are_none_where_they_are_disabled() -> None:
    off: Manifest = {"monitoring": {"podMonitor": {"enabled": False}}}
    assert render(DEMO, values=off).from_template(TEMPLATE) == ()


def test_fronts_ray_and_drivers_are_scraped_each_once() -> None:
    found = {
        name_of(item): at(item, "spec", "podMetricsEndpoints", 0, "port")
        for item in made().from_template(TEMPLATE)
    }
    assert found == {
        "demo-expart-serving-front": "front-metrics",
        "demo-expart-serving-ray": "metrics",
        "demo-expart-serving-sweep": "metrics",
    }


def test_only_what_is_installed_is_scraped() -> None:
    values: Manifest = {
        "sweep": {"enabled": False},
        "monitoring": {"podMonitor": {"enabled": True}},
    }
    names = {name_of(item) for item in render(DEMO, values=values).from_template(TEMPLATE)}
    assert names == {"demo-expart-serving-front", "demo-expart-serving-ray"}


def test_a_front_s_metrics_and_ray_s_are_scraped_at_the_ports_where_they_are() -> None:
    ports: dict[str, set[int]] = {}
    for pod in pod_templates(made()):
        for container in pod.containers:
            for port in list_at(container, "ports"):
                ports.setdefault(str(port["name"]), set()).add(int(str(port["containerPort"])))
    assert ports["front-metrics"] == {9464}
    assert ports["metrics"] == {8080, 9465, 9466}


def test_interval_and_labels_are_the_user_s() -> None:
    for item in made(interval="7s", labels={"release": "prometheus"}).from_template(TEMPLATE):
        assert at(item, "spec", "podMetricsEndpoints", 0, "interval") == "7s"
        assert labels_of(item)["release"] == "prometheus"
        assert mapping_at(item, "spec", "namespaceSelector") == {"matchNames": ["expart"]}
