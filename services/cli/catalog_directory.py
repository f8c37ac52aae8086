"""Tells a sweep about models from the catalog's files, without starting anything."""

from pathlib import Path

from services.core.errors import ExpArtError, UserInputError
from services.generation.catalog import Catalog, ModelSpec
from services.generation.engines.scripted import ScriptedEngine
from services.generation.weights import folder_revision
from services.sweep.plan.directory import ModelDescription


class CatalogDirectory:
    """A directory of models that reads the local catalog.

    Args:
        catalog: The catalog.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def describe(self, name: str) -> ModelDescription:
        """Describes one model.

        Raises:
            UserInputError: There is no such model, or its weights are not on this machine.
        """
        spec = self._catalog.get(name)
        return ModelDescription(
            name,
            _revision(spec),
            tuple(sorted(spec.adapters)),
            chat_template_digest=spec.chat_template_digest,
            gpu_count=spec.num_gpus,
            requires_image=spec.image.required,
        )


def _revision(spec: ModelSpec) -> str:
    """Names what answers: the same as the model itself will once it runs, as far as that is known.

    Raises:
        UserInputError: The weights are not on this machine.
    """
    if spec.openai is not None:
        return spec.openai.model
    if spec.engine == "scripted":
        return ScriptedEngine(spec).revision
    if spec.source.folder is None:
        return spec.source.revision
    try:
        return folder_revision(Path(spec.source.folder))
    except ExpArtError as error:
        raise UserInputError(
            f"model {spec.name}: {error.message}; `make models` assembles the demo models"
        ) from error
