"""The spec that the drivers of a sweep read."""

from pathlib import Path

import yaml
from pydantic import JsonValue

from services.sweep.spec.spec import load_spec
from tests.helm.chart import Manifest, mapping_at, name_of, refusal, render

TEMPLATE = "sweep/configmap.yaml"
DEMO = "cpu-demo-values.yaml"


def config_map(**sweep: JsonValue) -> Manifest:
    (found,) = render(DEMO, values={"sweep": sweep}).from_template(TEMPLATE)
    return found


def spec_of(item: Manifest) -> Manifest:
    found = yaml.safe_load(str(mapping_at(item, "data")["sweep.yaml"]))
    assert isinstance(found, dict)
    return found


def test_it_is_not_there_where_there_is_no_sweep() -> None:
    values: Manifest = {"sweep": {"enabled": False}}
    assert render(DEMO, values=values).from_template(TEMPLATE) == ()
    assert render("scoring-only-values.yaml").from_template(TEMPLATE) == ()


def test_the_driver_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(str(mapping_at(config_map(), "data")["sweep.yaml"]), encoding="utf-8")
    assert load_spec(file).name


def test_results_go_where_the_values_say() -> None:
    item = config_map(name="first", results={"url": "s3://bucket/prefix/"})
    assert spec_of(item)["output"] == "s3://bucket/prefix/first"
    assert spec_of(item)["name"] == "first"
    assert spec_of(config_map(name="second"))["output"] == "/results/second"


def test_what_the_values_say_of_the_sweep_is_what_it_says() -> None:
    asked: Manifest = {
        "models": ["demo-tiny"],
        "sampling": {"max_tokens": 64, "temperature": 0.5, "seed": 1234567890},
        "replicates": 2,
    }
    found = spec_of(config_map(spec=asked))
    assert found["models"] == ["demo-tiny"]
    # Whole numbers stay whole, however large.
    assert repr(mapping_at(found, "sampling")["seed"]) == "1234567890"


def test_another_spec_is_another_config_map_and_none_is_changed() -> None:
    first = config_map()
    second = config_map(spec={"sampling": {"max_tokens": 7}})
    assert name_of(first) != name_of(second)
    assert first["immutable"] is True


def test_a_sweep_without_a_model_is_refused() -> None:
    said = refusal(DEMO, values={"sweep": {"spec": {"models": []}}})
    assert "models" in said
