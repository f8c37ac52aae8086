"""Tells a sweep about models from the catalog's files, without starting anything."""

from collections.abc import Callable, Iterator
from pathlib import Path

from services.core.errors import ExpArtError, UserInputError
from services.generation.catalog import Catalog, ModelSpec
from services.generation.configuration import configuration_digest
from services.generation.engines.scripted import ScriptedEngine
from services.generation.hub_commits import commit_of, is_unpinned, pinned_adapters
from services.generation.weights import adapter_revision, folder_revision
from services.sweep.plan.directory import ModelDescription


class CatalogDirectory:
    """A directory of models that reads the local catalog.

    Args:
        catalog: The catalog.
        unknown: Told of a branch of the hub whose commit nobody knows; its name then stands for the
            commit, which does to count questions. By default it is an error.
    """

    def __init__(self, catalog: Catalog, *, unknown: Callable[[str], object] | None = None) -> None:
        self._catalog = catalog
        self._unknown = unknown
        self._commits: dict[str, str] = {}

    def describe(self, name: str) -> ModelDescription:
        """Describes one model.

        Raises:
            UserInputError: There is no such model, its folder is not on this machine, or nobody
                knows the commit of its branch.
        """
        spec = self._catalog.get(name)
        return ModelDescription(
            name,
            self._commit(spec) if is_unpinned(spec) else _revision(spec),
            tuple(sorted(spec.adapters)),
            chat_template_digest=spec.chat_template_digest,
            gpu_count=spec.num_gpus,
            requires_image=spec.image.required,
            adapter_revisions=dict(_adapter_revisions(spec)),
            configuration_digest=configuration_digest(spec),
        )

    def _commit(self, spec: ModelSpec) -> str:
        if spec.name not in self._commits:
            try:
                self._commits[spec.name] = commit_of(spec.source)
            except UserInputError as error:
                message = f"model {spec.name}: {error.message}"
                if self._unknown is None:
                    raise UserInputError(message) from error
                self._commits[spec.name] = spec.source.revision
                self._unknown(f"{message}; what is stored of it already is not counted here")
        return self._commits[spec.name]


def _adapter_revisions(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Names the adapters that are on this machine, or that the catalog pins to a commit."""
    pinned = pinned_adapters(spec)
    for name, place in sorted(spec.adapters.items()):
        if name in pinned:
            yield name, pinned[name]
            continue
        try:
            yield name, adapter_revision(place)
        except (ExpArtError, OSError):  # a plan that asks this adapter says so
            continue


def _revision(spec: ModelSpec) -> str:
    """Names what answers: the same as the model itself will once it runs.

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
