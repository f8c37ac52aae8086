"""The committed dashboards are what the code makes, and what Grafana's schema takes."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema
import pytest
from pydantic import JsonValue

from deploy.monitoring.write import DASHBOARDS, files, main
from tests.monitoring.programs import CHART, PROJECT, RUNBOOKS

Json = Mapping[str, JsonValue]
SCHEMAS = Path(os.environ.get("EXPART_SCHEMAS", PROJECT.parent / "shared" / "schemas")) / "grafana"
COMMITTED = sorted((CHART / "dashboards").glob("*.json"))


def schema(name: str, definition: str = "") -> Json:
    file = SCHEMAS / f"{name}.jsonschema.json"
    if not file.exists():
        pytest.skip(f"{file} is not here; EXPART_SCHEMAS names the folder with Grafana's schemas")
    read = json.loads(file.read_text(encoding="utf-8"))
    return {**read, "$ref": f"#/definitions/{definition}"} if definition else read


def panels(file: Path) -> Iterator[Json]:
    for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
        if panel["type"] != "row":
            yield panel


def test_the_committed_files_are_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out
    assert {path for path in files() if path.suffix == ".json"} == set(COMMITTED)


def test_a_file_that_is_out_of_date_is_named_and_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("deploy.monitoring.write.CHART", tmp_path / "helm" / "chart")
    assert main(["--check"]) == 1
    assert "helm/chart/dashboards/expart-sweep.json is out of date" in capsys.readouterr().out
    assert main([]) == 0
    assert main(["--check"]) == 0
    (tmp_path / "helm/chart/rules/slo.yaml").write_text("groups: []\n", encoding="utf-8")
    assert main(["--check"]) == 1
    assert capsys.readouterr().out.split() == [
        "helm/chart/rules/slo.yaml",
        "is",
        "out",
        "of",
        "date:",
        "run",
        "make",
        "dashboards",
    ]


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_grafanas_schema_takes_a_dashboard(file: Path) -> None:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(dashboard, schema("dashboard"))
    for panel in panels(file):
        jsonschema.validate(panel["options"], schema(str(panel["type"]), "Options"))
        for target in panel["targets"]:  # type: ignore[union-attr]
            jsonschema.validate(target, schema("prometheus"))


def test_the_schema_refuses_what_is_wrong() -> None:
    dashboard = json.loads(COMMITTED[0].read_text(encoding="utf-8"))
    dashboard["panels"][1]["fieldConfig"]["defaults"]["unit"] = 7
    with pytest.raises(jsonschema.ValidationError, match="7 is not of type 'string'"):
        jsonschema.validate(dashboard, schema("dashboard"))


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_panels_say_what_they_show_and_fill_the_grid_without_overlap(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    numbers = set()
    for panel in panels(file):
        assert str(panel["description"]).endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]  # type: ignore[index,call-overload]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        position: dict[str, int] = panel["gridPos"]  # type: ignore[assignment]
        cells = {
            (position["x"] + x, position["y"] + y)
            for x in range(position["w"])
            for y in range(position["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        numbers.add(panel["id"])
    assert len(numbers) == len(list(panels(file)))


def test_the_dashboards_offer_the_agreed_choices() -> None:
    choices = {
        file.stem: [
            item["name"]
            for item in json.loads(file.read_text(encoding="utf-8"))["templating"]["list"]
            if item["type"] != "constant"
        ]
        for file in COMMITTED
    }
    assert choices == {
        "expart-sweep": ["datasource", "namespace", "sweep", "model"],
        "expart-generation": ["datasource", "namespace", "model"],
        "expart-scoring": ["datasource", "namespace"],
        "expart-fleet": ["datasource", "namespace", "model"],
    }


def test_every_link_to_a_runbook_leads_to_one() -> None:
    linked = {panel.runbook for dashboard in DASHBOARDS for panel in dashboard.panels()} - {""}
    assert linked
    for name in linked:
        assert (RUNBOOKS / f"{name}.md").exists(), name
    for file in COMMITTED:
        for panel in panels(file):
            for link in panel.get("links", ()):  # type: ignore[union-attr]
                name = str(link["url"]).removeprefix("${runbooks}/")  # type: ignore[index,call-overload]
                assert (RUNBOOKS / name).exists(), link
