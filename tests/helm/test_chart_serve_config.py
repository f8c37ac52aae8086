"""The config that the chart gives to Ray Serve is the one that the catalog's own command makes."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue
from ray.serve.schema import ServeDeploySchema

from services.generation.catalog import Catalog, ModelSpec, load_model_spec
from services.generation.front_replica import FrontConfig
from services.generation.serve_app import FrontArguments, ModelArguments
from services.generation.serve_config import serve_config
from services.generation.settings import GenerationSettings
from tests.conftest import PROJECT
from tests.helm.chart import (
    CHART,
    VALUE_FILES,
    Manifest,
    at,
    list_at,
    mapping_at,
    render,
)

# As in services/generation/app.py: what is to replace the field does nothing yet.
pytestmark = pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning")

ENTRIES = PROJECT / "deploy" / "models"
MODELS_FOLDER = Path("/models")


def values_of(file: str) -> Manifest:
    found = yaml.safe_load((CHART / "ci" / file).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def serves(file: str) -> bool:
    return bool(mapping_at(values_of(file), "generation").get("enabled", True))


SERVING = [file for file in VALUE_FILES if serves(file)]


def serve_config_of(file: str, values: Manifest | None = None) -> Manifest:
    """The Serve config that the chart renders."""
    text = at(render(file, values=values).only("RayService"), "spec", "serveConfigV2")
    found = yaml.safe_load(str(text))
    assert isinstance(found, dict)
    return found


def front_of(config: Manifest) -> Manifest:
    return list_at(config, "applications")[0]


def exact(value: JsonValue) -> str:
    """Data as text, in which 1 is not 1.0."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("file", SERVING)
def test_the_config_is_that_of_the_same_catalog(file: str) -> None:
    config = serve_config_of(file)
    settings = mapping_at(front_of(config), "args", "settings")
    entries = list_at(values_of(file), "models")
    assert entries, "a scenario without a model serves nothing"
    catalog = Catalog({str(one["name"]): ModelSpec.model_validate(one) for one in entries})
    assert config == serve_config(catalog, settings, MODELS_FOLDER)


@pytest.mark.parametrize("file", SERVING)
def test_numbers_are_whole_where_the_catalog_has_them_whole(file: str) -> None:
    # In Helm every number is a fraction at first; an engine argument of 2.0 is refused by engines.
    config = serve_config_of(file)
    applications = {str(one["name"]): one for one in list_at(config, "applications")}
    for entry in list_at(values_of(file), "models"):
        args = mapping_at(applications[f"model-{entry['name']}"], "args", "entry")
        for key in ("engine_arguments", "environment"):
            assert exact(args.get(key)) == exact(entry.get(key)), f"{entry['name']}: {key}"


@pytest.mark.parametrize("file", SERVING)
def test_serve_and_our_builders_take_it(file: str) -> None:
    config = serve_config_of(file)
    ServeDeploySchema.model_validate(config)
    front, *models = list_at(config, "applications")
    FrontArguments.model_validate(front["args"])
    FrontConfig.model_validate(at(front, "deployments", 0, "user_config"))
    for model in models:
        ModelArguments.model_validate(model["args"])


@pytest.mark.parametrize("file", SERVING)
def test_the_front_s_settings_are_settings(file: str) -> None:
    given = mapping_at(front_of(serve_config_of(file)), "args", "settings")
    settings = GenerationSettings.model_validate(given)
    assert settings.address == "0.0.0.0:50051"
    assert settings.health_address == "0.0.0.0:50052"
    wanted = mapping_at(values_of(file), "generation", "front", "settings")
    assert wanted.items() <= given.items()


@pytest.mark.parametrize("file", SERVING)
def test_entries_of_the_shipped_catalog_are_as_shipped(file: str) -> None:
    """Scenarios show real entries: what differs is where they run and how they scale."""
    for entry in list_at(values_of(file), "models"):
        shipped = ENTRIES / f"{entry['name']}.yaml"
        if not shipped.exists():
            continue
        ours = load_model_spec(shipped, MODELS_FOLDER).model_dump(mode="json")
        theirs = ModelSpec.model_validate(entry).model_dump(mode="json")
        for changed in (
            "scaling",
            "source",
            "num_cpus",
            "node_resource",
            "description",
            "requires",
        ):
            ours.pop(changed)
            theirs.pop(changed)
        assert theirs == ours, entry["name"]


def test_a_secured_release_tells_the_front_its_certificate_and_its_callers() -> None:
    settings = mapping_at(front_of(serve_config_of("secured-values.yaml")), "args", "settings")
    assert settings["tls_certificate_file"] == "/etc/expart/tls/tls.crt"
    assert settings["tls_key_file"] == "/etc/expart/tls/tls.key"
    assert settings["token_file"] == "/etc/expart/tokens/tokens"


def test_more_fronts_are_asked_for_by_one_value() -> None:
    more: Manifest = {"generation": {"front": {"replicas": 3}}}
    settings = mapping_at(
        front_of(serve_config_of("cpu-demo-values.yaml", more)), "args", "settings"
    )
    assert settings["front_replicas"] == 3
