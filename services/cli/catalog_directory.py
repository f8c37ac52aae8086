"""Tells a sweep about models from the catalog's files, without starting anything."""

from pathlib import Path

from services.core.errors import ExpArtError, UserInputError
from services.generation.catalog import Catalog
from services.generation.weights import folder_revision
from services.sweep.directory import ModelDescription


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
        source = self._catalog.get(name).source
        if source.folder is None:
            return ModelDescription(name=name, revision=source.revision)
        try:
            revision = folder_revision(Path(source.folder))
        except ExpArtError as error:
            raise UserInputError(
                f"model {name}: {error.message}; `make models` assembles the demo models"
            ) from error
        return ModelDescription(name=name, revision=revision)
