"""Tells a sweep about models from the catalog's files, without starting anything."""

import re
from collections.abc import Iterator
from pathlib import Path

from services.core.errors import ExpArtError, UserInputError
from services.generation.catalog import Catalog, ModelSpec
from services.generation.configuration import configuration_digest
from services.generation.engines.scripted import ScriptedEngine
from services.generation.weights import adapter_revision, folder_revision
from services.sweep.plan.directory import ModelDescription

_COMMIT = re.compile(r"[0-9a-f]{40}")


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
            adapter_revisions=dict(_adapter_revisions(spec)),
            configuration_digest=configuration_digest(spec),
        )


def _adapter_revisions(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Names the adapters that are on this machine, or that the catalog pins to a commit."""
    for name, place in sorted(spec.adapters.items()):
        if place.hub is not None and _COMMIT.fullmatch(place.revision):
            yield name, place.revision
            continue
        try:
            yield name, adapter_revision(place)
        except (ExpArtError, OSError):  # a plan that asks this adapter says so
            continue


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
