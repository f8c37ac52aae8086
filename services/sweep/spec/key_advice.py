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
            node = self._resolved(self._keys(node).get(step) or self._content(node) or {})
        return node

    def _resolved(self, node: _Schema) -> _Schema:
        """Follows references, and of alternatives the one that has keys or items."""
        if "$ref" in node:
            name = str(node["$ref"]).rpartition("/")[2]
            return cast("Mapping[str, _Schema]", self._schema["$defs"])[name]
        for inner in cast("Sequence[_Schema]", node.get("anyOf", ())):
            found = self._resolved(inner)
            if self._keys(found) or self._content(found):
                return found
        return node

    @staticmethod
    def _keys(node: _Schema) -> Mapping[str, _Schema]:
        return cast("Mapping[str, _Schema]", node.get("properties", {}))

    @staticmethod
    def _content(node: _Schema) -> _Schema | None:
        """What a list's items or a mapping's values are, where that is said."""
        patterns = cast("Mapping[str, _Schema]", node.get("patternProperties", {}))
        found = (node.get("items"), node.get("additionalProperties"), *patterns.values())
        return next((inner for inner in found if isinstance(inner, dict)), None)

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
        content = self._content(inner)
        if content is not None:
            step = "0" if "items" in inner else "NAME"
            yield from self._paths_within(content, (*path, step))


def nearest(wrong: str, known: Sequence[str]) -> str:
    """Says which name is meant, as the end of a sentence; empty if none comes near."""
    found = difflib.get_close_matches(wrong, known, n=1, cutoff=_CUTOFF)
    # A shortened or a lengthened name may be far off by its letters.
    found = found or [name for name in known if wrong and (wrong in name or name in wrong)]
    return f"; did you mean '{found[0]}'?" if found else ""
