"""What Prometheus' operator is told of the scoring service."""

from tests.helm.chart import Manifest, at, labels_of, name_of, render

TEMPLATE = "monitoring/servicemonitor-scoring.yaml"
DEMO = "cpu-demo-values.yaml"


def test_it_is_not_there_where_it_or_scoring_is_disabled() -> None:
    off: Manifest = {"monitoring": {"serviceMonitor": {"enabled": False}}}
    assert render(DEMO, values=off).from_template(TEMPLATE) == ()
    values: Manifest = {
        "monitoring": {"serviceMonitor": {"enabled": True}},
        "scoring": {"enabled": False},
        "sweep": {"enabled": False},
    }
    assert render(DEMO, values=values).from_template(TEMPLATE) == ()


def test_it_scrapes_the_service_for_metrics_alone_by_the_port_s_name() -> None:
    values: Manifest = {
        "monitoring": {
            "serviceMonitor": {"enabled": True},
            "interval": "7s",
            "labels": {"release": "prometheus"},
        }
    }
    (item,) = render(DEMO, values=values).from_template(TEMPLATE)
    endpoint = at(item, "spec", "endpoints", 0)
    assert (at(endpoint, "port"), at(endpoint, "interval")) == ("metrics", "7s")
    selector = at(item, "spec", "selector", "matchLabels")
    assert isinstance(selector, dict)
    found = [
        name_of(service)
        for service in render(DEMO, values=values).of("Service")
        if selector.items() <= labels_of(service).items()
    ]
    assert found == ["demo-expart-serving-scoring-metrics"]
    assert labels_of(item)["release"] == "prometheus"
