"""What a local stack's parent and its host tell each other, as JSON."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from services.generation.catalog import ModelSpec
from services.generation.settings import GenerationSettings


class HostConfig(BaseModel):
    """What the host is to start.

    Attributes:
        specs: The models.
        settings_values: The service's settings, by name; the port is not 0.
        temp_folder: Where Ray and the engines put their files; the parent removes it.
        at_a_time: How many of the models are called at the same time; None for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    specs: list[ModelSpec]
    settings_values: dict[str, JsonValue]
    temp_folder: Path
    at_a_time: int | None = None

    def settings(self) -> GenerationSettings:
        """Gives the settings as the parent had them."""
        return GenerationSettings.model_validate(self.settings_values)


EventKind = Literal["ray_starting", "model", "ready", "failed"]


class HostEvent(BaseModel):
    """What the host reports: Ray starts, a model's state changed, all is ready, all is lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: EventKind
    model: str = ""
    state: str = ""
    detail: str = ""
    address: str = ""
    ray_address: str = ""
    elapsed_s: float = 0.0
