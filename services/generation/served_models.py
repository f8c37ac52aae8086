"""The models of the catalog and how they are at the moment."""

from collections.abc import Mapping
from dataclasses import replace

from services.core.errors import ModelLoadingError, ModelNotFoundError
from services.generation.admission import failure_of
from services.generation.catalog import Catalog, ModelSpec
from services.generation.configuration import configuration_digest
from services.generation.domain import ModelCondition, ModelInfo, ModelState
from services.generation.hub_commits import pinned_adapters, pinned_revision

_UNKNOWN = ModelCondition(ModelState.LOADING, "the model is being deployed")


class ServedModels:
    """Knows which models there are, and which of them can be called.

    Args:
        catalog: The models.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._conditions: Mapping[str, ModelCondition] = {}

    def use_catalog(self, catalog: Catalog) -> None:
        """Takes other models; those that are new are loading until their state is known."""
        self._catalog = catalog

    def note(self, conditions: Mapping[str, ModelCondition]) -> None:
        """Takes how the models are; calls are judged by it until the next time."""
        self._conditions = conditions

    def conditions(self) -> dict[str, ModelCondition]:
        """Gives how every model of the catalog was when last asked."""
        return {spec.name: self._condition(spec) for spec in self._catalog}

    def served(self) -> list[tuple[ModelSpec, ModelCondition]]:
        """Lists the entries, each with how the model was when last asked. From any thread."""
        conditions = self._conditions
        return [(spec, conditions.get(spec.name, _UNKNOWN)) for spec in self._catalog]

    def infos(self) -> list[ModelInfo]:
        """Lists the models, sorted by name."""
        return [self._info(spec) for spec in self._catalog]

    def info(self, name: str) -> ModelInfo:
        """Gets one model.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self._info(self.spec(name))

    def spec(self, name: str, adapter: str = "") -> ModelSpec:
        """Finds a model's entry, with the adapter that a request names, if it names one.

        Raises:
            ModelNotFoundError: There is no such model, or it has no such adapter.
        """
        if name not in self._catalog:
            raise ModelNotFoundError(
                f"no model named {name!r}; there are {', '.join(self._catalog.names)}", model=name
            )
        spec = self._catalog.get(name)
        if adapter and adapter not in spec.adapters:
            there_are = f"it has {', '.join(sorted(spec.adapters))}" if spec.adapters else "none"
            raise ModelNotFoundError(
                f"model {name} has no adapter named {adapter!r}; {there_are}",
                model=name,
                adapter=adapter,
            )
        return spec

    def check_callable(self, spec: ModelSpec) -> None:
        """Returns if calls to a model are answered, be it after a wait for a first replica.

        Raises:
            ModelLoadingError: It is being loaded.
            ModelFailedError: It could not be loaded.
        """
        condition = self._condition(spec)
        if condition.state is ModelState.LOADING and not condition.wakes:
            raise ModelLoadingError(f"model {spec.name} is being loaded", model=spec.name)
        if condition.state is ModelState.FAILED:
            raise failure_of(spec.name, condition)

    def _condition(self, spec: ModelSpec) -> ModelCondition:
        return self._conditions.get(spec.name, _UNKNOWN)

    def _info(self, spec: ModelSpec) -> ModelInfo:
        condition = self._condition(spec)
        # Replicas say what they loaded; what is pinned is known without them.
        known = replace(
            condition,
            revision=condition.revision or pinned_revision(spec),
            adapter_revisions=pinned_adapters(spec) | dict(condition.adapter_revisions),
        )
        return ModelInfo(
            name=spec.name,
            source=spec.source_label,
            engine=spec.engine,
            max_context_token_count=spec.max_model_len,
            condition=known,
            adapters=tuple(sorted(spec.adapters)),
            chat_template_digest=spec.chat_template_digest,
            gpu_count=spec.num_gpus,
            configuration_digest=configuration_digest(spec),
        )
