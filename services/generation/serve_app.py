"""What a Serve config names: builds an application from its ``args``, on the cluster.

``services.generation.serve_app:front`` and ``services.generation.serve_app:model``; the configs are
made by :mod:`services.generation.serve_config`.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue
from ray.serve import Application

from services.core.errors import UserInputError
from services.generation.app import build_front_app, build_model_app
from services.generation.catalog import Catalog, ModelSpec, SourceSpec
from services.generation.settings import GenerationSettings


class FrontArguments(BaseModel):
    """``args`` of the front's application.

    Attributes:
        settings: Settings by name; what is not here comes from the cluster's environment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, JsonValue] = {}


class ModelArguments(BaseModel):
    """``args`` of a model's application.

    Attributes:
        entry: What of the model's catalog entry its replicas need. Relative folders start at the
            setting ``models_folder`` of the cluster's environment.
        settings: As for the front.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    entry: ModelSpec
    settings: dict[str, JsonValue] = {}


def front(arguments: FrontArguments) -> Application:
    """Builds the front; its models come as the ``user_config`` of the deployment.

    Raises:
        UserInputError: No port is set.
    """
    settings = GenerationSettings.model_validate(arguments.settings)
    if settings.port == 0:
        raise UserInputError("the front needs a port: set it in the front's args, settings.port")
    return build_front_app(Catalog({}), settings)


def model(arguments: ModelArguments) -> Application:
    """Builds one model; how it scales comes as options of the deployment."""
    settings = GenerationSettings.model_validate(arguments.settings)
    entry = arguments.entry
    placed = entry.model_copy(
        update={
            "source": _absolute(entry.source, settings.models_folder),
            "adapters": {
                name: _absolute(place, settings.models_folder)
                for name, place in entry.adapters.items()
            },
        }
    )
    return build_model_app(placed, settings)


def _absolute(place: SourceSpec, models_folder: Path) -> SourceSpec:
    if place.folder is None:
        return place
    return SourceSpec(folder=str((models_folder / place.folder).resolve()))
