"""Reads a spec's YAML, and says in one line what is wrong with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from services.core.errors import UserInputError
from services.sweep.spec.key_advice import SpecKeys

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# What YAML people call the keys of a mapping may be of any scalar type.
SpecYaml = dict[object, object]

_SpecT = TypeVar("_SpecT", bound=BaseModel)

# What pydantic calls by Python's names.
_YAML_WORDS = {"valid dictionary": "mapping", "valid tuple": "list"}


class _StrictLoader(yaml.SafeLoader):
    """YAML's own loader takes the last of two equal keys, and nobody hears of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> SpecYaml:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                raise yaml.MarkedYAMLError(problem=f"line {line} gives the key '{key.value}' again")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> SpecYaml:
    """Reads a YAML file that holds a mapping.

    Raises:
        UserInputError: It cannot be read, is no YAML, gives a key twice or holds something else.
    """
    try:
        # Safe: the loader is SafeLoader with one more check.
        declared = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)  # noqa: S506
    except (OSError, UnicodeDecodeError) as error:
        raise UserInputError(f"{path}: cannot read the sweep spec: {error}") from error
    except yaml.YAMLError as error:
        raise UserInputError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(declared, dict):
        raise UserInputError(f"{path}: a sweep spec is a mapping of keys such as dataset, models")
    return declared


def parse(declared: SpecYaml, kind: type[_SpecT], path: Path) -> _SpecT:
    """Checks a spec.

    Raises:
        UserInputError: A key is unknown, missing or wrong.
    """
    try:
        return kind.model_validate(declared)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise UserInputError(f"{path}: {_explain(problems, kind)}") from error


def _explain(problems: "Sequence[ErrorDetails]", kind: type[BaseModel]) -> str:
    # A misspelt key is the cause of the missing one beside it: say that first.
    unknown = [item for item in problems if item["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    place = tuple(problem["loc"])
    key = ".".join(str(step) for step in place)
    if unknown:
        return f"unknown key '{key}'{SpecKeys(kind.model_json_schema()).advice(place)}"
    if problem["type"] == "missing":
        return f"key '{key}' is missing"
    reason = problem["msg"].removeprefix("Value error, ")
    for pythons, yamls in _YAML_WORDS.items():
        reason = reason.replace(pythons, yamls)
    where = f"key '{key}': " if key else ""
    given = problem["input"]
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) else ""
    return f"{where}{reason}{shown}"
