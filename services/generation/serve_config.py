"""Makes the Serve config of a catalog, for ``serve deploy`` and KubeRay's ``serveConfigV2``.

Run as ``python -m services.generation.serve_config --help``. The config holds the entries
themselves: nodes need the project and the weights, but not the catalog's files, and a change of an
entry is a change of the config. What of it differs decides what Serve does:

- scaling: the deployment's options change, replicas go on;
- default sampling, limits on pictures, the description: the front is told, replicas go on;
- anything else of a model: its replicas are replaced, and no other model's.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import JsonValue, ValidationError

from services.core.errors import UserInputError
from services.generation.app import front_config, scaling_options
from services.generation.catalog import Catalog, ModelSpec, SourceSpec, load_catalog
from services.generation.hub_commits import pin_catalog
from services.generation.names import (
    FRONT_APPLICATION,
    FRONT_DEPLOYMENT,
    MODEL_DEPLOYMENT,
    model_application,
)
from services.generation.settings import GenerationSettings
from services.rpc.read_settings import explain_settings_error, read_settings

# What replicas do not read: a change of it needs no new ones.
_NO_MATTER_OF_REPLICAS = {
    "description",
    "memory_gib",
    "parameter_count",
    "requires",
    "sampling",
    "scaling",
}
_BUILDERS = "services.generation.serve_app"


def serve_config(
    catalog: Catalog, front_settings: Mapping[str, JsonValue], models_folder: Path
) -> dict[str, JsonValue]:
    """Makes a config that ``serve deploy`` takes.

    Args:
        catalog: The models.
        front_settings: Settings of the front by name, among them its port.
        models_folder: Folders below it are written as relative ones, for nodes that keep their
            models elsewhere.
    """
    portable = Catalog({spec.name: _portable(spec, models_folder) for spec in catalog})
    front: JsonValue = {
        "name": FRONT_APPLICATION,
        "route_prefix": None,
        "import_path": f"{_BUILDERS}:front",
        "args": {"settings": dict(front_settings)},
        "deployments": [{"name": FRONT_DEPLOYMENT, "user_config": front_config(portable)}],
    }
    # Nobody speaks HTTP to it, and gRPC is served by the front itself.
    return {
        "proxy_location": "Disabled",
        "applications": [front, *(_model_application(spec) for spec in portable)],
    }


def as_yaml(config: Mapping[str, JsonValue]) -> str:
    """Writes a config as text, the same text for the same config."""
    return str(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100))


def _model_application(spec: ModelSpec) -> JsonValue:
    ignored = _NO_MATTER_OF_REPLICAS
    if spec.engine == "openai":
        # Its entry is valid only with the default sampling that suits the endpoint.
        ignored = ignored - {"sampling"}
    entry = spec.model_dump(mode="json", exclude_unset=True, exclude=ignored)
    return {
        "name": model_application(spec.name),
        "route_prefix": None,
        "import_path": f"{_BUILDERS}:model",
        "args": {"entry": entry},
        "deployments": [{"name": MODEL_DEPLOYMENT, **scaling_options(spec.scaling)}],
    }


def _portable(spec: ModelSpec, models_folder: Path) -> ModelSpec:
    update: dict[str, object] = {}
    if spec.source.folder is not None:
        update["source"] = _relative(spec.source, models_folder)
    if spec.adapters:
        update["adapters"] = {
            name: _relative(place, models_folder) for name, place in spec.adapters.items()
        }
    return spec.model_copy(update=update)


def _relative(place: SourceSpec, models_folder: Path) -> SourceSpec:
    if place.folder is None or not Path(place.folder).is_relative_to(models_folder.resolve()):
        return place
    return SourceSpec(folder=str(Path(place.folder).relative_to(models_folder.resolve())))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.generation.serve_config",
        description="Writes the Serve config of a catalog to standard output.",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="a model to serve; repeatable, by default all of the catalog",
    )
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the front, such as port=50051; repeatable",
    )
    parser.add_argument(
        "--pin",
        action="store_true",
        help="write the present commits of the hub's branches and tags in their place: what is "
        "loaded again later, after a scale to zero, is then the same",
    )
    parser.add_argument(
        "--catalog", type=Path, metavar="FOLDER", help="by default the catalog of the settings"
    )
    return parser.parse_args(arguments)


def _front_settings(given: list[str]) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise UserInputError(f"--setting {item}: must be NAME=VALUE")
        values[name] = _value(value)
    try:
        settings = GenerationSettings.model_validate(values)
    except ValidationError as error:
        raise UserInputError(explain_settings_error(error, "")) from error
    if settings.port == 0:
        raise UserInputError("the front needs a port: --setting port=50051")
    return values


def _value(text: str) -> JsonValue:
    """Reads a number, a truth value or, failing that, a text: ``[::]`` is an address."""
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


def main(arguments: list[str]) -> int:
    """Writes a config; returns the process's exit code."""
    try:
        chosen = _parse(arguments)
        settings = read_settings(GenerationSettings)
        catalog = load_catalog(chosen.catalog or settings.catalog_folder, settings.models_folder)
        if chosen.model:
            catalog = catalog.select(tuple(chosen.model))
        if chosen.pin:
            catalog = pin_catalog(catalog, lambda note: sys.stderr.write(f"{note}\n"))
        config = serve_config(catalog, _front_settings(chosen.setting), settings.models_folder)
    except UserInputError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 2
    sys.stdout.write(as_yaml(config))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
