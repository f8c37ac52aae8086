"""Documents the keys of a YAML file from its types: tables in a README, and a JSON schema."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Schema = Mapping[str, Json]

README_FILE = "README.md"
_END = "<!-- keys: end -->"
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}
# Up to here a bound says something about the matter; beyond, about the width of a field.
_MOST_SHOWN = 1_000_000
_NAMES = {"boolean": "true or false", "integer": "whole number", "string": "text"}


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """What documents one kind of file.

    Attributes:
        schema: The JSON schema of its type, as pydantic gives it.
        heading: Calls the outermost keys.
        title: Calls a section, given the name of its type.
        written_by: Path of the module that writes it, for the mark in the README.
        schema_file: Name of the schema's file.
    """

    schema: Schema
    heading: str
    title: Callable[[str], str]
    written_by: str
    schema_file: str

    def schema_text(self) -> str:
        """Gives the JSON schema, which editors use to complete and check keys."""
        document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **self.schema}
        return json.dumps(document, indent=2) + "\n"

    def keys_text(self) -> str:
        """Gives Markdown tables of all keys: the outermost ones, then those of each section."""
        parts = [f"### {self.heading}\n", *self._table(self.schema)]
        for name in self._sections_in_order():
            section = self._sections[name]
            about = _one_line(section.get("description"))
            parts += [f"\n### {self.title(name)}\n", f"{about}\n", *self._table(section)]
        return "\n".join(parts) + "\n"

    def readme_with_keys(self, readme: str) -> str:
        """Gives a README whose part between the two marks is the tables of all keys.

        Raises:
            ValueError: A mark is missing.
        """
        mark = f"<!-- keys: begin, written by {self.written_by} -->"
        before, begin, rest = readme.partition(mark)
        _, end, after = rest.partition(_END)
        if not (begin and end):
            raise ValueError(f"the README lacks the line {mark!r} or {_END!r}")
        return f"{before}{begin}\n\n{self.keys_text()}\n{end}{after}"

    def write(self, folder: Path) -> None:
        """Brings the schema and the README of a folder in step with the types."""
        (folder / self.schema_file).write_text(self.schema_text(), encoding="utf-8")
        readme = folder / README_FILE
        text = self.readme_with_keys(readme.read_text(encoding="utf-8"))
        readme.write_text(text, encoding="utf-8")

    @property
    def _sections(self) -> Mapping[str, Schema]:
        return cast("Mapping[str, Schema]", self.schema["$defs"])

    def _sections_in_order(self) -> Iterator[str]:
        """Names the sections in the order in which the keys name them, each once."""
        seen: set[str] = set()
        waiting = [self.schema]
        while waiting:
            named = json.dumps(waiting.pop(0).get("properties"))
            for name in re.findall(r"#/\$defs/(\w+)", named):
                if name not in seen and "properties" in self._sections[name]:
                    seen.add(name)
                    waiting.append(self._sections[name])
                    yield name

    def _table(self, section: Schema) -> Iterator[str]:
        needed = cast("list[str]", section.get("required", []))
        yield "| key | value | default | meaning |"
        yield "|---|---|---|---|"
        for name, key in cast("Mapping[str, Schema]", section["properties"]).items():
            default = "must be given" if name in needed else _default(key.get("default"))
            meaning = _one_line(key.get("description"))
            yield f"| `{name}` | {self._kind(key)} | {default} | {meaning} |"

    def _kind(self, key: Schema) -> str:
        """Says in words what a key takes."""
        if "$ref" in key:
            return self._referred(str(key["$ref"]).rpartition("/")[2])
        if "enum" in key or "const" in key:
            choices = cast("list[Json]", key.get("enum", [key.get("const")]))
            return ", ".join(f"`{choice}`" for choice in choices)
        if "anyOf" in key:
            kinds = cast("list[Schema]", key["anyOf"])
            return " or ".join(self._kind(kind) for kind in kinds if kind.get("type") != "null")
        return self._plain_kind(key)

    def _plain_kind(self, key: Schema) -> str:
        match key.get("type"):
            case "array":
                return f"list of {self._kind(cast('Schema', key['items']))}"
            case "object":
                patterns = cast("Mapping[str, Schema]", key.get("patternProperties", {}))
                inner = [*patterns.values(), key.get("additionalProperties")][0]
                return f"mapping of names to {self._kind(cast('Schema', inner))}"
            case None:
                return "any value"
            case kind:
                return f"{_NAMES.get(str(kind), str(kind))} {_bounds(key)}".strip()

    def _referred(self, name: str) -> str:
        section = self._sections[name]
        if "properties" not in section:
            return self._kind(section)
        title = self.title(name)
        return f"[{title}](#{title.replace('.', '').replace(' ', '-')})"


def _bounds(key: Schema) -> str:
    return " and ".join(
        f"{words} {key[name]}"
        for name, words in _BOUNDS.items()
        if name in key and abs(cast("float", key[name])) <= _MOST_SHOWN
    )


def _default(value: Json) -> str:
    if value is None or value in ("", [], {}) or isinstance(value, dict):
        return "-"
    return f"`{json.dumps(value)}`".replace('"', "")


def _one_line(text: Json) -> str:
    return " ".join(str(text or "").split()).replace("``", "`").replace("|", "\\|")
