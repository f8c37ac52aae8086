"""The schema of the values refuses what the chart would misunderstand, or not notice at all."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache

import jsonschema
import pytest
import yaml
from pydantic import JsonValue

from tests.helm.chart import CHART, Manifest, mapping_at, refusal, render

Path = tuple[str, ...]

# Mappings whose keys are the user's: labels, settings by name, and the like.
OPEN = {
    "affinity",
    "annotations",
    "commonLabels",
    "labels",
    "limits",
    "nodeSelector",
    "podAnnotations",
    "podLabels",
    "requests",
}


def defaults() -> Manifest:
    found = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@cache
def schema() -> Manifest:
    found = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def errors_of(values: Manifest) -> list[str]:
    """What the schema says of values, a line each."""
    found = schema()
    validator = jsonschema.validators.validator_for(found)(found)
    return [error.message for error in validator.iter_errors(values)]


def mappings(values: Manifest, path: Path = ()) -> Iterator[Path]:
    """Every mapping of the defaults, the whole first."""
    yield path
    for name, inner in values.items():
        if isinstance(inner, dict) and name not in OPEN:
            yield from mappings(inner, (*path, name))


def leaves(values: Manifest, path: Path = ()) -> Iterator[tuple[Path, JsonValue]]:
    """Every value of the defaults that is no mapping of known keys."""
    for name, inner in values.items():
        if isinstance(inner, dict) and inner and name not in OPEN:
            yield from leaves(inner, (*path, name))
        else:
            yield (*path, name), inner


def changed(path: Path, value: JsonValue) -> Manifest:
    """The defaults with one other value."""
    whole = copy.deepcopy(defaults())
    inner = whole
    for name in path[:-1]:
        inner = mapping_at(inner, name)
    inner[path[-1]] = value
    return whole


def nested(path: Path, value: JsonValue) -> Manifest:
    """Values that set only what lies at a path."""
    for name in reversed(path):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def of_another_type(value: JsonValue) -> JsonValue:
    # An amount, such as 5Gi, may be a number, too.
    is_amount = isinstance(value, str) and re.fullmatch(r"\d+[KMGT]i", value)
    takes_no_number = isinstance(value, str | dict | list) and not is_amount
    return 7 if takes_no_number else {"wrong": "wrong"}


def test_the_defaults_are_valid() -> None:
    assert errors_of(defaults()) == []


@pytest.mark.parametrize("path", list(mappings(defaults())), ids=".".join)
def test_an_unknown_key_is_refused_at_every_level(path: Path) -> None:
    errors = errors_of(changed((*path, "bogus"), 1))
    assert errors, f"{'.'.join(path)}.bogus is taken"
    assert "bogus" in errors[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [pytest.param(path, value, id=".".join(path)) for path, value in leaves(defaults())],
)
def test_a_value_of_another_type_is_refused(path: Path, value: JsonValue) -> None:
    wrong = of_another_type(value)
    errors = errors_of(changed(path, wrong))
    assert errors, f"{'.'.join(path)}: {wrong} is taken in place of {value!r}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("image", "pullPolicy"), "Sometimes"),
        (("generation", "front", "replicas"), 0),
        (("generation", "image", "repository"), ""),
        (("scoring", "replicas"), -1),
        (("scoring", "autoscaling", "mode"), "vpa"),
        (("scoring", "autoscaling", "minReplicas"), 0),
        (("scoring", "autoscaling", "targetCPUUtilizationPercentage"), 0),
        (("sweep", "drivers"), 0),
        (("sweep", "backoffLimitPerIndex"), -1),
        (("sweep", "name"), "Not A Name"),
        (("tls", "mode"), "ssl"),
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused(path: Path, value: JsonValue) -> None:
    assert errors_of(changed(path, value)), f"{'.'.join(path)}: {value} is taken"


def entry(**changes: JsonValue) -> Manifest:
    """An entry of the catalog."""
    whole: Manifest = {
        "name": "demo",
        "source": {"folder": "demo"},
        "engine": "vllm",
        "max_model_len": 512,
        "scaling": {"min_replicas": 1, "max_replicas": 2},
        "image": {"required": True},
        "sampling": {"max_tokens": 5},
    }
    return {**whole, **changes}


def test_a_whole_entry_of_the_catalog_is_taken() -> None:
    assert errors_of(changed(("models",), [entry()])) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Not A Name"},
        {"bogus": 1},
        {"max_model_len": "512"},
        {"max_model_len": 0},
        {"engine": "tensorrt"},
        {"num_gpus": -1},
        {"source": {"folder": "demo", "path": "x"}},
        {"scaling": {"replicas": 2}},
        {"scaling": {"max_replicas": 0}},
        {"scaling": {"max_ongoing_requests": 1.5}},
        {"sampling": {"tokens": 5}},
        {"image": {"required": "yes"}},
        {"dtype": "int4"},
    ],
    ids=str,
)
def test_a_wrong_entry_of_the_catalog_is_refused(changes: Manifest) -> None:
    assert errors_of(changed(("models",), [entry(**changes)])), changes


def test_an_entry_without_a_name_is_refused() -> None:
    whole = entry()
    del whole["name"]
    assert errors_of(changed(("models",), [whole]))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("bogus",), 1, "bogus"),
        (("scoring", "replicaCount"), 2, "replicaCount"),
        (("scoring", "replicas"), "two", "replicas"),
        (("tls", "mode"), "ssl", "mode"),
        (("models",), [{"name": "x"}], "models"),
    ],
    ids=str,
)
def test_helm_refuses_by_the_schema_and_names_the_key(
    helm: str, path: Path, value: JsonValue, said: str
) -> None:
    whole = refusal("cpu-demo-values.yaml", values=nested(path, value), helm=helm)
    assert said in whole
    assert "schema" in whole


def test_helm_takes_the_same_values_without_the_mistake(helm: str) -> None:
    right = {**nested(("scoring", "replicas"), 2), **nested(("tls", "mode"), "none")}
    assert list(render("cpu-demo-values.yaml", values=right, helm=helm))


def test_every_part_of_the_schema_that_has_keys_says_whether_others_are_taken() -> None:
    open_parts = [".".join(path) for path, part in parts(schema()) if forgets(part)]
    assert open_parts == []


def parts(node: JsonValue, path: Path = ()) -> Iterator[tuple[Path, Manifest]]:
    if isinstance(node, dict):
        yield path, node
        for name, inner in node.items():
            yield from parts(inner, (*path, name))
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from parts(inner, (*path, str(number)))


def forgets(part: Manifest) -> bool:
    says = ("additionalProperties", "unevaluatedProperties")
    return isinstance(part.get("properties"), dict) and not any(name in part for name in says)
