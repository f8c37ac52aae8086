"""JSON schemas of what values hand on to the programs: the catalog, settings, a sweep's spec."""

import json
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, JsonValue

from deploy.chart.kubernetes_shapes import Schema
from services.generation.catalog import ModelSpec
from services.generation.settings import GenerationSettings
from services.rpc.settings import SECURITY_SETTINGS
from services.scoring.settings import ScoringSettings
from services.sweep.run.settings import SweepSettings

_SWEEP_SCHEMA = Path(__file__).parents[1] / "sweeps" / "sweep.schema.json"
# A default may be a folder of this machine, and what is left out of values is the program's affair.
_LEFT_OUT = ("default", "title")

# What templates set themselves.
_FRONT_OWN = {
    *SECURITY_SETTINGS,
    "catalog_folder",
    "front_node_resource",
    "front_replicas",
    "front_replicas_per_node",
    "health_address",
    "host",
    "load_wait_s",
    "metrics_port",
    "models_folder",
    "port",
}
_SCORING_OWN = {
    *SECURITY_SETTINGS,
    "address",
    "address_file",
    "encoder",
    "encoder_device",
    "encoder_layer",
    "encoder_local_files_only",
    "encoder_revision",
    "encoder_start_timeout_s",
    "health_address",
    "metrics_port",
}
_SWEEP_OWN = {"shard_index", "shard_count", "completion_index", "JOB_COMPLETION_INDEX"}


def front_settings() -> Schema:
    """Gives the settings of the fronts that values may set."""
    return _settings(GenerationSettings, _FRONT_OWN)


def scoring_settings() -> Schema:
    """Gives the same of the scoring service."""
    return _settings(ScoringSettings, _SCORING_OWN)


def sweep_settings() -> Schema:
    """Gives the same of the sweep's drivers."""
    return _settings(SweepSettings, _SWEEP_OWN)


def catalog_entry(definitions: Schema) -> Schema:
    """Gives an entry of the catalog, as values hold it.

    Args:
        definitions: Where the blocks that it is made of are put.
    """
    schema = _moved(ModelSpec.model_json_schema(), "model", definitions)
    # There are no files beside the values that either could name.
    _property(schema, "chat_template")["pattern"] = r"\{[{%]"
    openai = definitions["modelOpenAISpec"]
    assert isinstance(openai, dict)
    _property(openai, "api_key_file")["pattern"] = "^/"
    return schema


def sweep_spec(definitions: Schema) -> Schema:
    """Gives a sweep's spec without what the chart sets; arguments as for an entry."""
    content = json.loads(_SWEEP_SCHEMA.read_text(encoding="utf-8"))
    del content["$schema"]
    schema = _moved(content, "sweep", definitions)
    properties, required = schema["properties"], schema["required"]
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    for name in ("name", "output"):
        del properties[name]
    required.remove("output")
    # Values say nothing of models until a sweep is asked for.
    models = properties["models"]
    assert isinstance(models, dict)
    del models["minItems"]
    return schema


def _settings(model: type[BaseModel], own: Collection[str]) -> Schema:
    definitions: Schema = {}
    schema = _moved(model.model_json_schema(), "settings", definitions)
    assert not definitions, "settings are made of plain values"
    properties = schema["properties"]
    assert isinstance(properties, dict)
    schema["properties"] = {name: of for name, of in properties.items() if name not in own}
    return schema


def _moved(schema: dict[str, JsonValue], prefix: str, definitions: Schema) -> Schema:
    """Puts a schema's own definitions among others, under names that tell where they are from."""
    moved = _renamed(schema, prefix)
    assert isinstance(moved, dict)
    own = moved.pop("$defs", {})
    assert isinstance(own, dict)
    definitions.update({f"{prefix}{name}": of for name, of in own.items()})
    return moved


def _renamed(node: JsonValue, prefix: str) -> JsonValue:
    if isinstance(node, list):
        return [_renamed(item, prefix) for item in node]
    if not isinstance(node, dict):
        return node
    found: dict[str, JsonValue] = {}
    for key, value in node.items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            # Below are names of keys, not words of the schema.
            found[key] = {name: _renamed(of, prefix) for name, of in value.items()}
        elif key == "$ref" and isinstance(value, str):
            found[key] = value.replace("#/$defs/", f"#/definitions/{prefix}")
        elif key not in _LEFT_OUT:
            found[key] = _renamed(value, prefix)
    return found


def _property(schema: Schema, name: str) -> Schema:
    """The part of a key's schema that is of a text."""
    properties = schema["properties"]
    assert isinstance(properties, dict)
    found = properties[name]
    assert isinstance(found, dict)
    choices = found.get("anyOf")
    assert isinstance(choices, list)
    text = choices[0]
    assert isinstance(text, dict)
    return text
