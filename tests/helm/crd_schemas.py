"""Checks custom resources against the schemas of their definitions, as an API server would.

A definition holds an OpenAPI v3 schema, in a dialect of Kubernetes. What an API server would drop
in silence, an unknown field, is a violation here. Rules in CEL are evaluated too, but those of
changes, which know an old object.
"""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import celpy
import jsonschema
import yaml
from pydantic import JsonValue

from tests.conftest import PROJECT
from tests.helm.chart import Manifest

_FOLDER = Path(os.environ.get("EXPART_SCHEMAS", PROJECT.parent / "shared" / "schemas")) / "crds"
# Fields that we use, of a definition that is not among those; see its comment.
_OURS = Path(__file__).parent / "crds"
_RULES = "x-kubernetes-validations"

Kind = tuple[str, str]


def has_definitions() -> bool:
    """Whether the definitions of others are there."""
    return any(_FOLDER.glob("*/*.yaml"))


def known_kinds() -> frozenset[Kind]:
    """The custom kinds whose definition is at hand, as apiVersion and kind."""
    return frozenset(_schemas())


def violations(item: Manifest) -> list[str]:
    """What is wrong with a custom resource; a line each.

    Raises:
        KeyError: Its definition is not at hand.
    """
    kind = str(item["apiVersion"]), str(item["kind"])
    schema = _schemas()[kind]
    return [*_of_schema(item, kind), *(_of_rules(item, schema, ()))]


@cache
def _schemas() -> dict[Kind, Mapping[str, JsonValue]]:
    found: dict[Kind, Mapping[str, JsonValue]] = {}
    for file in [*sorted(_FOLDER.glob("*/*.yaml")), *sorted(_OURS.glob("*.yaml"))]:
        definition = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["spec"]
        for version in definition["versions"]:
            if version["served"]:
                kind = f"{definition['group']}/{version['name']}", definition["names"]["kind"]
                found[kind] = version["schema"]["openAPIV3Schema"]
    return found


@cache
def _validator(kind: Kind) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(strict_schema(_schemas()[kind], is_root=True))


def _of_schema(item: Manifest, kind: Kind) -> list[str]:
    errors = _validator(kind).iter_errors(item)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


def strict_schema(
    schema: Mapping[str, JsonValue], *, is_root: bool = False
) -> dict[str, JsonValue]:
    """Makes a JSON Schema of a definition's one, which refuses unknown fields.

    Args:
        schema: As the definition has it.
        is_root: Whether it is of a whole object, whose ``metadata`` no definition describes.
    """
    made: dict[str, JsonValue] = {}
    for key, value in schema.items():
        if key in ("properties", "additionalProperties", "items", "not"):
            made[key] = _converted(key, value)
        elif key in ("allOf", "anyOf", "oneOf"):
            # They only narrow down what the schema around them describes.
            made[key] = value
        elif not key.startswith("x-") and key not in ("description", "default", "nullable"):
            made[key] = value
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("format", None)
        made["type"] = ["integer", "string"]
    if schema.get("type") == "object" and not _is_open(schema):
        made["additionalProperties"] = False
    if schema.get("nullable"):
        return {"anyOf": [{"type": "null"}, made]}
    if is_root:
        properties = made["properties"]
        assert isinstance(properties, dict)
        properties["metadata"] = {"type": "object"}
    return made


def _is_open(schema: Mapping[str, JsonValue]) -> bool:
    return "additionalProperties" in schema or bool(
        schema.get("x-kubernetes-preserve-unknown-fields")
    )


def _converted(key: str, value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    if key == "not":
        return value
    if key == "properties":
        return {
            name: strict_schema(inner) if isinstance(inner, dict) else inner
            for name, inner in value.items()
        }
    return strict_schema(value)


def _of_rules(
    item: JsonValue, schema: Mapping[str, JsonValue], path: tuple[str, ...]
) -> Iterator[str]:
    rules = schema.get(_RULES, [])
    assert isinstance(rules, list)
    for rule in rules:
        assert isinstance(rule, dict)
        if "oldSelf" not in str(rule["rule"]) and not _holds(str(rule["rule"]), item):
            yield f"{'.'.join(path)}: {rule.get('message', rule['rule'])}"
    if isinstance(item, dict):
        for name, inner in _fields(item, schema):
            yield from _of_rules(item[name], inner, (*path, name))
    elif isinstance(item, list) and isinstance(schema.get("items"), dict):
        for number, one in enumerate(item):
            yield from _of_rules(one, schema["items"], (*path, str(number)))  # type: ignore[arg-type]


def _fields(
    item: Mapping[str, JsonValue], schema: Mapping[str, JsonValue]
) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    properties, others = schema.get("properties"), schema.get("additionalProperties")
    for name in item:
        inner = properties.get(name, others) if isinstance(properties, dict) else others
        if isinstance(inner, dict):
            yield name, inner


def _holds(rule: str, item: JsonValue) -> bool:
    environment = celpy.Environment()
    program = environment.program(environment.compile(rule))
    return bool(program.evaluate({"self": celpy.json_to_cel(item)}))
