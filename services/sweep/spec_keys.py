"""Finds the key that somebody meant: walks a spec's JSON schema, level by level."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from pydantic import JsonValue

# A guess further off than this is none.
_CUTOFF = 0.6

_Schema = Mapping[str, JsonValue]
_Path = tuple[str, ...]


class SpecKeys:
    """The keys of a spec.

    Args:
        schema: Its JSON schema, as pydantic makes it.
    """

    def __init__(self, schema: _Schema) -> None:
        self._schema = schema

    def advice(self, place: Sequence[int | str]) -> str:
        """Says which key an unknown one should have been.

        The same word at another level is meant before a similar word at this one.

        Args:
            place: The steps to the unknown key, list indices among them.

        Returns:
            The end of a sentence, beginning with a semicolon.
        """
        *section, wrong = (str(step) for step in place)
        known = list(self._keys(self._at(section)))
        for path in self._paths(self._schema):
            if path[-1] == wrong:
                return f"; did you mean '{'.'.join(path)}'?"
        return nearest(wrong, known) or f"; known keys: {', '.join(known)}"

    def _at(self, section: Sequence[str]) -> _Schema:
        node = self._schema
        for step in section:
            properties = self._keys(node)
            inner = properties.get(step) or node.get("additionalProperties") or node.get("items")
            node = self._resolved(cast("_Schema", inner or {}))
        return node

    def _resolved(self, node: _Schema) -> _Schema:
        """Follows references, and of alternatives the one that has keys or items."""
        if "$ref" in node:
            name = str(node["$ref"]).rpartition("/")[2]
            return cast("Mapping[str, _Schema]", self._schema["$defs"])[name]
        for inner in cast("Sequence[_Schema]", node.get("anyOf", ())):
            found = self._resolved(inner)
            if found.keys() & {"properties", "items", "additionalProperties"}:
                return found
        return node

    @staticmethod
    def _keys(node: _Schema) -> Mapping[str, _Schema]:
        return cast("Mapping[str, _Schema]", node.get("properties", {}))

    def _paths(self, node: _Schema, before: _Path = ()) -> Iterator[_Path]:
        """Every key's path; NAME stands for a name that the user chooses."""
        for name, field in self._keys(node).items():
            yield (*before, name)
            yield from self._paths_within(field, (*before, name))

    def _paths_within(self, field: _Schema, path: _Path) -> Iterator[_Path]:
        inner = self._resolved(field)
        if "properties" in inner:
            yield from self._paths(inner, path)
            return
        step = "NAME" if "additionalProperties" in inner else "0"
        content = inner.get("additionalProperties") or inner.get("items")
        if isinstance(content, dict):
            yield from self._paths_within(content, (*path, step))


def nearest(wrong: str, known: Sequence[str]) -> str:
    """Says which name is meant, as the end of a sentence; empty if none comes near."""
    found = difflib.get_close_matches(wrong, known, n=1, cutoff=_CUTOFF)
    return f"; did you mean '{found[0]}'?" if found else ""
