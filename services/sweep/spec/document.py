"""Writes what documents a spec's keys from their types: the README's tables, the JSON schema.

``python -m services.sweep.spec.document`` brings both in step under deploy/sweeps.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from services.sweep.spec.spec import SweepSpec

SCHEMA_FILE = "sweep.schema.json"
README_FILE = "README.md"
_BEGIN = "<!-- keys: begin, written by services/sweep/spec/document.py -->"
_END = "<!-- keys: end -->"
_FOLDER = Path(__file__).parents[3] / "deploy" / "sweeps"
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
}
# Up to here a bound says something about the matter; beyond, about the width of a field.
_MOST_SHOWN = 1_000_000

_Schema = Mapping[str, JsonValue]


def schema_text() -> str:
    """Gives the JSON schema of a spec, which editors use to complete and check keys."""
    schema = SweepSpec.model_json_schema()
    # A model's name alone is short for a mapping with nothing else.
    models = schema["properties"]["models"]
    models["items"] = {"anyOf": [{"type": "string", "minLength": 1}, models["items"]]}
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(document, indent=2) + "\n"


def readme_with_keys(readme: str) -> str:
    """Gives a README whose part between the two marks is the tables of all keys.

    Raises:
        ValueError: A mark is missing.
    """
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"the README lacks the line {_BEGIN!r} or {_END!r}")
    return f"{before}{begin}\n\n{keys_text()}\n{end}{after}"


def keys_text() -> str:
    """Gives Markdown tables of all keys: the spec's own, then those of each section."""
    schema: _Schema = SweepSpec.model_json_schema()
    sections = cast("Mapping[str, _Schema]", schema["$defs"])
    parts = ["### The spec\n", *_table(schema, sections)]
    for name in _sections_in_order(schema, sections):
        about = _one_line(sections[name].get("description"))
        parts += [f"\n### {_TITLES[name]}\n", f"{about}\n", *_table(sections[name], sections)]
    return "\n".join(parts) + "\n"


def write(folder: Path) -> None:
    """Brings the schema and the README of a folder of specs in step with the types."""
    (folder / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
    readme = folder / README_FILE
    readme.write_text(readme_with_keys(readme.read_text(encoding="utf-8")), encoding="utf-8")


# How a section's heading calls it: by the key that holds it.
_TITLES = {
    "DatasetSpec": "dataset",
    "ModelChoice": "one of models",
    "PromptSpec": "one of prompts",
    "SamplingSpec": "sampling",
    "FiltersSpec": "filters",
    "LimitsSpec": "limits",
    "PricesSpec": "prices",
    "ScoringSection": "scoring_options",
    "PriceSpec": "one of prices.models",
}


def _sections_in_order(schema: _Schema, sections: Mapping[str, _Schema]) -> Iterator[str]:
    """Names the sections in the order in which the keys name them, each once."""
    seen: set[str] = set()
    waiting = [schema]
    while waiting:
        for name in re.findall(r"#/\$defs/(\w+)", json.dumps(waiting.pop(0).get("properties"))):
            if name not in seen and "properties" in sections[name]:
                seen.add(name)
                waiting.append(sections[name])
                yield name


def _table(schema: _Schema, sections: Mapping[str, _Schema]) -> Iterator[str]:
    needed = cast("list[str]", schema.get("required", []))
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in cast("Mapping[str, _Schema]", schema["properties"]).items():
        default = "must be given" if name in needed else _default(field.get("default"))
        meaning = _one_line(field.get("description"))
        yield f"| `{name}` | {_kind(field, sections)} | {default} | {meaning} |"


def _kind(field: _Schema, sections: Mapping[str, _Schema]) -> str:
    """Says in words what a key takes."""
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        if name not in _TITLES:
            return _kind(sections[name], sections)
        return f"[{_TITLES[name]}](#{_TITLES[name].replace('.', '').replace(' ', '-')})"
    if "enum" in field:
        choices = cast("list[JsonValue]", field["enum"])
        return ", ".join(f"`{choice}`" for choice in choices)
    if "anyOf" in field:
        kinds = cast("list[_Schema]", field["anyOf"])
        return " or ".join(_kind(kind, sections) for kind in kinds if kind.get("type") != "null")
    return _plain_kind(field, sections)


def _plain_kind(field: _Schema, sections: Mapping[str, _Schema]) -> str:
    match field.get("type"):
        case "array":
            return f"list of {_kind(cast('_Schema', field['items']), sections)}"
        case "object":
            patterns = cast("Mapping[str, _Schema]", field.get("patternProperties", {}))
            inner = [*patterns.values(), field.get("additionalProperties")][0]
            return f"mapping of names to {_kind(cast('_Schema', inner), sections)}"
        case kind:
            return f"{_NAMES.get(str(kind), str(kind))} {_bounds(field)}".strip()


_NAMES = {"boolean": "true or false", "integer": "whole number", "string": "text"}


def _bounds(field: _Schema) -> str:
    return " and ".join(
        f"{words} {field[key]}"
        for key, words in _BOUNDS.items()
        if key in field and abs(cast("float", field[key])) <= _MOST_SHOWN
    )


def _default(value: JsonValue) -> str:
    if value is None or value in ("", [], {}) or isinstance(value, dict):
        return "-"
    return f"`{json.dumps(value)}`".replace('"', "")


def _one_line(text: JsonValue) -> str:
    return " ".join(str(text or "").split()).replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    write(_FOLDER)
