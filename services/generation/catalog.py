"""The model catalog: one YAML file a model, every key typed, unknown keys refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from services.core.errors import UserInputError
from services.generation import sampling as limits
from services.generation.catalog_errors import explain_validation_error
from services.generation.domain import Sampling, SamplingRequest

# Engine arguments that other keys of an entry set; a second place for them could disagree.
_GOVERNED_ARGUMENTS = {
    "dtype": "dtype",
    "max_model_len": "max_model_len",
    "model": "source",
    "quantization": "quantization",
    "revision": "source.revision",
    "trust_remote_code": "trust_remote_code",
}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceSpec(_Entry):
    """Where a model's weights come from: exactly one of ``folder`` and ``hub``."""

    folder: str | None = Field(
        default=None,
        min_length=1,
        description="Hugging Face folder on disk; a relative one lies in the models folder "
        "(EXPART_GENERATION_MODELS_FOLDER, by default var/models).",
    )
    hub: str | None = Field(
        default=None,
        pattern=r"^[\w.-]+/[\w.-]+$",
        description="Id on the Hugging Face hub; the weights are downloaded when first loaded.",
    )
    revision: str = Field(
        default="main",
        min_length=1,
        description="Branch, tag or commit on the hub; only a commit pins the weights. "
        "A folder has its own revision: its file REVISION, or the digest of its weights.",
    )

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if (self.folder is None) == (self.hub is None):
            raise ValueError("give exactly one of folder and hub")
        if self.folder is not None and "revision" in self.model_fields_set:
            raise ValueError("revision belongs to a hub id; a folder's is computed")
        return self


class SamplingSpec(_Entry):
    """What applies where a request leaves a sampling field open. Ranges as in the proto."""

    max_tokens: int = Field(default=256, description="Most tokens to generate.")
    temperature: float = Field(default=0.0, description="Randomness; 0 is greedy.")
    top_p: float = Field(default=1.0, description="Nucleus sampling: probability mass.")
    top_k: int = Field(default=0, description="Only the k likeliest tokens; 0 means all.")
    stop: tuple[str, ...] = Field(default=(), strict=False, description="Texts that end it.")
    repetition_penalty: float = Field(default=1.0, description="Above 1 discourages repeats.")
    presence_penalty: float = Field(default=0.0, description="Discourages tokens that occurred.")
    frequency_penalty: float = Field(default=0.0, description="The same, by how often.")
    min_tokens: int = Field(default=0, description="Fewest tokens before the model may stop.")

    def filled(self) -> Sampling:
        """Gives the defaults as a whole set of parameters, without a seed."""
        return Sampling(**self.model_dump(), seed=None)

    @model_validator(mode="after")
    def _is_in_range(self) -> Self:
        asked = SamplingRequest(**self.model_dump())
        wrong = [*limits.sampling_violations(asked), *limits.limit_violations(self.filled())]
        if wrong:
            first = wrong[0]
            raise ValueError(f"{first.field.removeprefix('sampling.')} {first.description}")
        return self


class ScalingSpec(_Entry):
    """How many replicas run, and how much each takes on."""

    min_replicas: NonNegativeInt = Field(
        default=1, description="Replicas kept without load; 0 frees the resources."
    )
    max_replicas: PositiveInt = Field(default=1, description="Most replicas.")
    target_ongoing_requests: PositiveFloat = Field(
        default=8, description="Requests a replica that autoscaling aims at."
    )
    max_ongoing_requests: PositiveInt = Field(
        default=32, description="Most requests that one replica works on at a time."
    )
    max_queued_requests: NonNegativeInt = Field(
        default=256, description="Requests that may wait; more are refused with a retry delay."
    )
    upscale_delay_s: NonNegativeFloat = Field(
        default=5.0, description="How long load must last before a replica is added."
    )
    downscale_delay_s: NonNegativeFloat = Field(
        default=600.0, description="How long load must be gone before a replica is removed."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas ({self.min_replicas}) exceeds max_replicas ({self.max_replicas})"
            )
        if self.target_ongoing_requests > self.max_ongoing_requests:
            raise ValueError(
                f"target_ongoing_requests ({self.target_ongoing_requests:g}) exceeds "
                f"max_ongoing_requests ({self.max_ongoing_requests})"
            )
        return self


class ScriptedSpec(_Entry):
    """The timing that the scripted engine plays."""

    load_s: NonNegativeFloat = Field(default=0.0, description="Seconds that loading takes.")
    first_token_s: NonNegativeFloat = Field(default=0.0, description="Time to first token.")
    per_token_s: NonNegativeFloat = Field(default=0.0, description="Delay before each next one.")


class ModelSpec(_Entry):
    """One model of the catalog: where it comes from, how it runs, how it scales."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="The name that requests use."
    )
    description: str = Field(default="", description="One line for people.")
    source: SourceSpec = Field(description="Where the weights come from.")
    engine: Literal["vllm", "scripted"] = Field(default="vllm", description="What runs it.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Number format of the weights as they run."
    )
    quantization: str | None = Field(
        default=None, description="Quantisation method of the weights, as the engine names it."
    )
    max_model_len: PositiveInt = Field(description="Most tokens of prompt and answer together.")
    trust_remote_code: bool = Field(
        default=False, description="Run Python code that comes with the weights."
    )
    engine_arguments: Mapping[str, JsonValue] = Field(
        default_factory=dict, description="Further arguments of the engine, by its own names."
    )
    environment: Mapping[str, str] = Field(
        default_factory=dict, description="Environment variables of the replicas' processes."
    )
    sampling: SamplingSpec = Field(default=SamplingSpec(), description="Default sampling.")
    num_gpus: NonNegativeFloat = Field(default=0, description="GPUs a replica.")
    num_cpus: NonNegativeFloat = Field(default=1, description="CPU cores a replica.")
    scaling: ScalingSpec = Field(default=ScalingSpec(), description="Replicas and their load.")
    scripted: ScriptedSpec = Field(
        default=ScriptedSpec(), description="Timing, for the scripted engine only."
    )

    @field_validator("engine_arguments")
    @classmethod
    def _leaves_governed_arguments_alone(
        cls, arguments: Mapping[str, JsonValue]
    ) -> Mapping[str, JsonValue]:
        for name in arguments:
            if name in _GOVERNED_ARGUMENTS:
                raise ValueError(f"{name} is set by the key {_GOVERNED_ARGUMENTS[name]}")
        return arguments

    @property
    def runs_on_cpu(self) -> bool:
        """Whether a replica takes no GPU."""
        return self.num_gpus == 0

    @property
    def needs_download(self) -> bool:
        """Whether the weights come from the hub."""
        return self.source.hub is not None

    @property
    def source_label(self) -> str:
        """The hub id, or ``local`` for a folder."""
        return self.source.hub or "local"

    @property
    def weights(self) -> str:
        """What the engine loads: the hub id or the folder's path."""
        return self.source.hub or self.source.folder or ""


class Catalog:
    """The models of one folder, by name, sorted."""

    def __init__(self, specs: Mapping[str, ModelSpec]) -> None:
        self._specs = dict(sorted(specs.items()))

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    def __contains__(self, name: str) -> bool:
        return name in self._specs

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all models, sorted."""
        return tuple(self._specs)

    def get(self, name: str) -> ModelSpec:
        """Gives one entry.

        Raises:
            UserInputError: There is none of that name; the message lists those there are.
        """
        if name not in self._specs:
            raise UserInputError(
                f"no model named {name!r} in the catalog; it holds {', '.join(self._specs)}"
            )
        return self._specs[name]

    def select(self, names: tuple[str, ...]) -> "Catalog":
        """Gives a smaller catalog with only these models.

        Raises:
            UserInputError: One of them is not in the catalog.
        """
        return Catalog({name: self.get(name) for name in names})


def load_catalog(folder: Path, models_folder: Path) -> Catalog:
    """Reads every ``*.yaml`` file of a folder.

    Args:
        folder: Where the entries lie.
        models_folder: Where relative ``source.folder`` paths start.

    Raises:
        UserInputError: The folder or an entry is wrong; the message names file and key.
    """
    if not folder.is_dir():
        raise UserInputError(f"the catalog folder {folder} does not exist")
    specs: dict[str, ModelSpec] = {}
    for file in sorted(folder.glob("*.yaml")):
        spec = load_model_spec(file, models_folder)
        if spec.name in specs:
            raise UserInputError(f"{file}: another entry has the name {spec.name!r} already")
        specs[spec.name] = spec
    if not specs:
        raise UserInputError(f"the catalog folder {folder} holds no *.yaml file")
    return Catalog(specs)


def load_model_spec(file: Path, models_folder: Path) -> ModelSpec:
    """Reads one entry; arguments and errors as in load_catalog."""
    try:
        content: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserInputError(f"{file}: cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise UserInputError(f"{file}: must be a mapping of keys to values")
    try:
        spec = ModelSpec.model_validate(content)
    except ValidationError as error:
        raise UserInputError(f"{file}: {explain_validation_error(error, ModelSpec)}") from error
    if spec.source.folder is None:
        return spec
    absolute = SourceSpec(folder=str((models_folder / spec.source.folder).resolve()))
    return spec.model_copy(update={"source": absolute})
