"""The model catalog: one YAML file a model, every key typed, unknown keys refused."""

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from services.core.errors import UserInputError
from services.generation.catalog_errors import explain_validation_error
from services.generation.catalog_parts import (
    ImageSpec,
    OpenAISpec,
    SamplingSpec,
    ScalingSpec,
    ScriptedFault,
    ScriptedSpec,
    SourceSpec,
)
from services.generation.catalog_spec import EngineName, ModelSpec

__all__ = [
    "Catalog",
    "EngineName",
    "ImageSpec",
    "ModelSpec",
    "OpenAISpec",
    "SamplingSpec",
    "ScalingSpec",
    "ScriptedFault",
    "ScriptedSpec",
    "SourceSpec",
    "load_catalog",
    "load_model_spec",
]


class Catalog:
    """The models of one folder, by name, sorted."""

    def __init__(self, specs: Mapping[str, ModelSpec]) -> None:
        self._specs = dict(sorted(specs.items()))

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    def __contains__(self, name: str) -> bool:
        return name in self._specs

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all models, sorted."""
        return tuple(self._specs)

    def get(self, name: str) -> ModelSpec:
        """Gives one entry.

        Raises:
            UserInputError: There is none of that name; the message lists those there are.
        """
        if name not in self._specs:
            raise UserInputError(
                f"no model named {name!r} in the catalog; it holds {', '.join(self._specs)}"
            )
        return self._specs[name]

    def select(self, names: tuple[str, ...]) -> "Catalog":
        """Gives a smaller catalog with only these models.

        Raises:
            UserInputError: One of them is not in the catalog.
        """
        return Catalog({name: self.get(name) for name in names})


def load_catalog(folder: Path, models_folder: Path) -> Catalog:
    """Reads every ``*.yaml`` file of a folder.

    Args:
        folder: Where the entries lie.
        models_folder: Where relative ``source.folder`` paths start.

    Raises:
        UserInputError: The folder or an entry is wrong; the message names file and key.
    """
    if not folder.is_dir():
        raise UserInputError(f"the catalog folder {folder} does not exist")
    specs: dict[str, ModelSpec] = {}
    for file in sorted(folder.glob("*.yaml")):
        spec = load_model_spec(file, models_folder)
        if spec.name in specs:
            raise UserInputError(f"{file}: another entry has the name {spec.name!r} already")
        specs[spec.name] = spec
    if not specs:
        raise UserInputError(f"the catalog folder {folder} holds no *.yaml file")
    return Catalog(specs)


def load_model_spec(file: Path, models_folder: Path) -> ModelSpec:
    """Reads one entry; arguments and errors as in load_catalog.

    In the result every path is absolute, and ``chat_template`` holds the template's text, so that
    it can be sent to other machines.
    """
    try:
        content: object = yaml.load(file.read_text(encoding="utf-8"), _StrictLoader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserInputError(f"{file}: cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise UserInputError(f"{file}: must be a mapping of keys to values")
    try:
        spec = ModelSpec.model_validate(content)
    except ValidationError as error:
        raise UserInputError(f"{file}: {explain_validation_error(error, ModelSpec)}") from error
    return spec.model_copy(update=_placed(spec, file, models_folder))


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, but a key that is given twice is a mistake."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        """Makes a mapping of a node."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _placed(spec: ModelSpec, file: Path, models_folder: Path) -> dict[str, object]:
    """Says which values of an entry change with where its file lies."""
    placed: dict[str, object] = {}
    if spec.source.folder is not None:
        placed["source"] = _absolute(spec.source, models_folder)
    if spec.adapters:
        placed["adapters"] = {
            name: _absolute(place, models_folder) for name, place in spec.adapters.items()
        }
    if spec.chat_template is not None and not _is_template(spec.chat_template):
        placed["chat_template"] = _read_template(file, spec.chat_template)
    if spec.openai is not None and spec.openai.api_key_file is not None:
        key_file = str(file.parent.resolve() / spec.openai.api_key_file)
        placed["openai"] = spec.openai.model_copy(update={"api_key_file": key_file})
    return placed


def _absolute(place: SourceSpec, models_folder: Path) -> SourceSpec:
    if place.folder is None:
        return place
    return SourceSpec(folder=str((models_folder / place.folder).resolve()))


def _is_template(value: str) -> bool:
    """Tells a template from a file's name, which has no braces."""
    return "{{" in value or "{%" in value


def _read_template(file: Path, name: str) -> str:
    folder = file.parent.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise UserInputError(f"{file}: chat_template: must lie in the entry's folder; got {name!r}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserInputError(f"{file}: chat_template: {path} cannot be read: {reason}") from error
    if not _is_template(text):
        raise UserInputError(f"{file}: chat_template: {path} is no template: it has no {{{{ or {{%")
    return text
