"""The alerts that are installed."""

import yaml

from tests.helm.chart import CHART, Manifest, labels_of, mapping_at, name_of, render

TEMPLATE = "monitoring/prometheusrules.yaml"
DEMO = "cpu-demo-values.yaml"


def test_there_are_none_where_they_are_disabled() -> None:
    off: Manifest = {"monitoring": {"prometheusRule": {"enabled": False}}}
    assert render(DEMO, values=off).from_template(TEMPLATE) == ()


def test_each_file_of_rules_is_one_object_with_the_same_groups() -> None:
    on: Manifest = {
        "monitoring": {"prometheusRule": {"enabled": True}, "labels": {"release": "prometheus"}}
    }
    items = {name_of(one): one for one in render(DEMO, values=on).from_template(TEMPLATE)}
    files = sorted((CHART / "rules").glob("*.yaml"))
    assert files
    assert set(items) == {f"demo-expart-serving-{file.stem}" for file in files}
    for file in files:
        item = items[f"demo-expart-serving-{file.stem}"]
        # As promtool has tested them: braces in annotations are Prometheus', not Helm's.
        assert mapping_at(item, "spec") == yaml.safe_load(file.read_text(encoding="utf-8"))
        assert labels_of(item)["release"] == "prometheus"


def test_alerts_link_to_the_runbooks_where_they_are_read() -> None:
    on: Manifest = {
        "monitoring": {
            "prometheusRule": {"enabled": True},
            "runbooksUrl": "https://wiki.example/r/",
        }
    }
    texts = [str(one) for one in render(DEMO, values=on).from_template(TEMPLATE)]
    assert "'runbook_url': 'https://wiki.example/r/ExpartServiceGone.md'" in "".join(texts)
    assert "docs/runbooks" not in "".join(texts)
