"""The dashboards that are installed, for Grafana's sidecar to find."""

import json

from tests.helm.chart import CHART, Manifest, labels_of, mapping_at, name_of, render

TEMPLATE = "monitoring/dashboards.yaml"
DEMO = "cpu-demo-values.yaml"
MOST_BYTES = 2**20  # of a ConfigMap


def test_there_are_none_where_they_are_disabled() -> None:
    off: Manifest = {"monitoring": {"dashboards": {"enabled": False}}}
    assert render(DEMO, values=off).from_template(TEMPLATE) == ()


def test_each_dashboard_is_a_config_map_that_the_sidecar_finds() -> None:
    on: Manifest = {
        "monitoring": {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "ExpArt"}}}
    }
    items = {name_of(one): one for one in render(DEMO, values=on).from_template(TEMPLATE)}
    files = sorted((CHART / "dashboards").glob("*.json"))
    assert files
    assert set(items) == {f"demo-expart-serving-{file.stem}" for file in files}
    for file in files:
        item = items[f"demo-expart-serving-{file.stem}"]
        text = str(mapping_at(item, "data")[file.name])
        assert json.loads(text) == json.loads(file.read_text(encoding="utf-8"))
        assert len(text.encode()) < MOST_BYTES
        assert labels_of(item)["grafana_dashboard"] == "1"
        assert mapping_at(item, "metadata", "annotations") == {"grafana_folder": "ExpArt"}


def test_panels_link_to_the_runbooks_where_they_are_read() -> None:
    on: Manifest = {
        "monitoring": {"dashboards": {"enabled": True}, "runbooksUrl": "https://wiki.example/r/"}
    }
    for item in render(DEMO, values=on).from_template(TEMPLATE):
        [text] = mapping_at(item, "data").values()
        choices = json.loads(str(text))["templating"]["list"]
        assert [one["query"] for one in choices if one["name"] == "runbooks"] == [
            "https://wiki.example/r"
        ]
