"""Writes what documents the catalog's keys from their types: the README's tables, the JSON schema.

``python -m services.generation.catalog_document`` brings both in step under deploy/models.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from services.generation.catalog import ModelSpec

SCHEMA_FILE = "model.schema.json"
README_FILE = "README.md"
_BEGIN = "<!-- keys: begin, written by services/generation/catalog_document.py -->"
_END = "<!-- keys: end -->"
_FOLDER = Path(__file__).parents[2] / "deploy" / "models"

_Schema = Mapping[str, JsonValue]


def schema_text() -> str:
    """Gives the JSON schema of an entry, which editors use to complete and check keys."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_entry_schema()}
    return json.dumps(schema, indent=2) + "\n"


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
    """Gives Markdown tables of all keys: the entry's own, then those of each block."""
    schema = _entry_schema()
    blocks = cast("Mapping[str, _Schema]", schema["$defs"])
    parts = ["### An entry\n", *_table(schema)]
    for name in _blocks_in_order(schema, blocks):
        about = _one_line(blocks[name].get("description"))
        parts += [f"\n### {_title(name)}\n", f"{about}\n", *_table(blocks[name])]
    return "\n".join(parts) + "\n"


def write(folder: Path) -> None:
    """Brings the schema and the README of a catalog folder in step with the types."""
    (folder / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
    readme = folder / README_FILE
    readme.write_text(readme_with_keys(readme.read_text(encoding="utf-8")), encoding="utf-8")


def _entry_schema() -> _Schema:
    return ModelSpec.model_json_schema()


def _blocks_in_order(schema: _Schema, blocks: Mapping[str, _Schema]) -> Iterator[str]:
    """Names the blocks in the order in which the keys name them, each once."""
    seen: set[str] = set()
    waiting = [schema]
    while waiting:
        for name in re.findall(r"#/\$defs/(\w+)", json.dumps(waiting.pop(0).get("properties"))):
            if name not in seen and "properties" in blocks[name]:
                seen.add(name)
                waiting.append(blocks[name])
                yield name


def _table(schema: _Schema) -> Iterator[str]:
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in cast("Mapping[str, _Schema]", schema["properties"]).items():
        default = "must be given" if name in needed else _default(field.get("default"))
        meaning = _one_line(field.get("description"))
        yield f"| `{name}` | {_kind(field)} | {default} | {meaning} |"


def _kind(field: _Schema) -> str:
    """Says in words what a key takes."""
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        if name == "JsonValue":
            return "any value"
        return f"[{_title(name)}](#{_title(name).replace(' ', '-')})"
    if "enum" in field or "const" in field:
        choices = field.get("enum", [field.get("const")])
        return " \\| ".join(f"`{choice}`" for choice in cast("list[JsonValue]", choices))
    if "anyOf" in field:
        kinds = cast("list[_Schema]", field["anyOf"])
        return " or ".join(_kind(kind) for kind in kinds if kind.get("type") != "null")
    return _plain_kind(field)


def _plain_kind(field: _Schema) -> str:
    kind = field.get("type")
    if kind == "array":
        return f"list of {_kind(cast('_Schema', field['items']))}"
    if kind == "object":
        inner = field.get("additionalProperties")
        for pattern in cast("Mapping[str, _Schema]", field.get("patternProperties", {})).values():
            inner = cast("JsonValue", pattern)
        return f"mapping of names to {_kind(cast('_Schema', inner))}"
    bounds = [
        f"{words} {field[key]}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
        )
        if key in field
    ]
    name = {"boolean": "true or false", "integer": "whole number", "string": "text"}
    return " ".join([name.get(str(kind), str(kind)), " and ".join(bounds)]).strip()


def _default(value: JsonValue) -> str:
    if value is None or value in ("", [], {}) or isinstance(value, dict):
        return "-"
    return f"`{json.dumps(value)}`".replace('"', "")


def _title(name: str) -> str:
    """Names a block as people do: ``ScalingSpec`` is scaling."""
    if name == "OpenAISpec":
        return "openai"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Spec")).lower()


def _one_line(text: JsonValue) -> str:
    return " ".join(str(text or "").split()).replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    write(_FOLDER)
