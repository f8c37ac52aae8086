"""What a sweep must know of a model before it asks it anything."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.core.errors import UserInputError


class ModelNotThereError(UserInputError):
    """What a model runs is known only once it is loaded, and it is not, or could not be."""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """One model of the catalog.

    Attributes:
        name: Its name in the catalog.
        revision: Revision of its weights; empty where it is not known.
        adapters: Names of its LoRA adapters.
        chat_template_digest: ``sha256:…`` of the chat template that the catalog gives it; empty
            where the model brings its own.
        gpu_count: GPUs that each replica holds; 0 where it runs on a CPU, or where that is not
            known.
        adapter_revisions: Revision of each adapter by name, as far as it is known.
        configuration_digest: Names what the catalog says of how it answers, such as number format
            and default sampling.
        is_to_be_known: Whether it is not loaded, and what it runs is known only once it is.
        failure: Why it could not be loaded; empty unless that is so.
        requires_image: Whether it refuses questions without a picture, as far as that is known.
    """

    name: str
    revision: str
    adapters: tuple[str, ...] = ()
    chat_template_digest: str = ""
    gpu_count: float = 0.0
    is_to_be_known: bool = False
    requires_image: bool = False
    adapter_revisions: Mapping[str, str] = field(default_factory=dict)
    configuration_digest: str = ""
    failure: str = ""


class ModelDirectory(Protocol):
    """Knows the models: from a running generation service, or from a catalog file."""

    def describe(self, name: str) -> ModelDescription:
        """Describes one model.

        Raises:
            ModelNotThereError: What it runs is known only once it is loaded, and it is not.
            UserInputError: There is no such model, or its revision is not known.
        """
        ...


class FixedDirectory:
    """A directory of models that were listed before.

    Args:
        models: The models.
        source: Where the list came from, for messages.
    """

    def __init__(self, models: Iterable[ModelDescription], source: str) -> None:
        self._models = {model.name: model for model in models}
        self._source = source

    def describe(self, name: str) -> ModelDescription:
        """Describes one model.

        Raises:
            ModelNotThereError: What it runs is known only once it is loaded, and it is not.
            UserInputError: There is no such model, or its revision is not known.
        """
        model = self._models.get(name)
        if model is None:
            known = ", ".join(sorted(self._models)) or "no model"
            raise UserInputError(f"no model '{name}' in {self._source}; it has {known}")
        if model.is_to_be_known and not model.revision:
            raise ModelNotThereError(
                f"model '{name}' in {self._source} is being loaded or scaled to zero, and its "
                "revision is not known before it is there: try again then, or pin a commit in its "
                "catalog entry; expart sweep run loads it"
            )
        if model.failure and not model.revision:
            raise ModelNotThereError(
                f"model '{name}' in {self._source} could not be loaded, and its revision is not "
                f"known: {model.failure}"
            )
        if not model.revision:
            raise UserInputError(
                f"the revision of model '{name}' in {self._source} is not known: pin it in the "
                "catalog, or results could not be told from those of other weights"
            )
        return model
