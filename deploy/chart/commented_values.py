"""Reads a values file of a chart with its comments: what stands above a key describes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Value:
    """One key of a values file.

    Attributes:
        path: The keys that lead to it.
        default: What the file gives it.
        description: The comment above it, as one line; empty where there is none.
        keys: What lies below it; empty unless the default is a mapping that has keys.
    """

    path: tuple[str, ...]
    default: JsonValue
    description: str
    keys: tuple["Value", ...]

    @property
    def name(self) -> str:
        """Its keys, with dots between them."""
        return ".".join(self.path)

    def leaves(self) -> Iterator["Value"]:
        """Gives the keys below it that have none below them; itself, if it has none."""
        if not self.keys:
            yield self
        for key in self.keys:
            yield from key.leaves()


def read_values(file: Path) -> tuple[Value, ...]:
    """Reads the outermost keys of a values file, and all below them.

    Raises:
        TypeError: The file is no mapping.
    """
    text = file.read_text(encoding="utf-8")
    node = yaml.compose(text, yaml.CSafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise TypeError(f"{file}: must be a mapping of keys to values")
    return _values(node, text.splitlines(), ())


def _values(node: yaml.MappingNode, lines: list[str], path: tuple[str, ...]) -> tuple[Value, ...]:
    found = []
    for key_node, value_node in node.value:
        below = (*path, str(key_node.value))
        keys: tuple[Value, ...] = ()
        if isinstance(value_node, yaml.MappingNode):
            keys = _values(value_node, lines, below)
        text = yaml.serialize(value_node, Dumper=yaml.CSafeDumper)
        default = yaml.load(text, yaml.CSafeLoader)
        found.append(Value(below, default, _comment_above(lines, key_node.start_mark.line), keys))
    return tuple(found)


def _comment_above(lines: list[str], line: int) -> str:
    words: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        words.insert(0, lines[line].lstrip().removeprefix("#").strip())
    return " ".join(words)
