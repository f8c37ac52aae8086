"""One model of the catalog: every key of an entry, and how they must agree."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from services.core.digests import digest_of
from services.generation.catalog_parts import (
    Entry,
    ImageSpec,
    NodeResource,
    OpenAISpec,
    SamplingSpec,
    ScalingSpec,
    ScriptedSpec,
    SourceSpec,
)

EngineName = Literal["vllm", "transformers", "openai", "scripted"]

# They also put LoRA adapters over the weights.
_ENGINES_WITH_WEIGHTS: frozenset[EngineName] = frozenset({"vllm", "transformers"})

# Engine arguments that other keys of an entry set; a second place for them could disagree.
_GOVERNED_ARGUMENTS = {
    "device_map": "num_gpus",
    "dtype": "dtype",
    "enable_lora": "adapters",
    "max_cpu_loras": "adapters",
    "max_lora_rank": "adapters",
    "max_model_len": "max_model_len",
    "model": "source",
    "pipeline_parallel_size": "tensor_parallel_size",
    "quantization": "quantization",
    "revision": "source.revision",
    "tensor_parallel_size": "tensor_parallel_size",
    "torch_dtype": "dtype",
    "trust_remote_code": "trust_remote_code",
}
# Those that the service itself relies on.
_OWN_ARGUMENTS = {
    "disable_log_stats": "times in the answers come from these statistics",
    "download_dir": "weights are looked for in the hub's cache; move that by HF_HOME",
    "scheduling_policy": "it puts interactive requests before those of sweeps",
}


class ModelSpec(Entry):
    """One model of the catalog: where it comes from, how it runs, how it scales."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="The name that requests use."
    )
    description: str = Field(default="", description="One line for people.")
    requires: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="What must be there before the model can be loaded and this project does not "
        "bring, a line each: a server that somebody runs, a licence to accept, a package.",
    )
    source: SourceSpec = Field(
        default=SourceSpec(),
        description="Where the weights come from; for the engines vllm and transformers.",
    )
    adapters: Mapping[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")], SourceSpec
    ] = Field(
        default_factory=dict,
        description="LoRA adapters that requests may name, each with where it comes from.",
    )
    engine: EngineName = Field(
        default="vllm",
        description="What runs it: vllm; transformers, for models that vLLM lacks; openai, an "
        "endpoint that somebody else runs; scripted, which plays a model in tests.",
    )
    architecture: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_]\w*$",
        description="What the weights' config.json calls it, so that `expart models check` tells "
        "before any download whether the engine knows it.",
    )
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
    chat_template: str | None = Field(
        default=None,
        min_length=1,
        description="Jinja template that makes the prompt: a file beside the entry, or the "
        "template itself. Without one, the template that comes with the weights.",
    )
    image: ImageSpec = Field(
        default=ImageSpec(), description="Which pictures it takes; always one a request."
    )
    engine_arguments: Mapping[str, JsonValue] = Field(
        default_factory=dict, description="Further arguments of the engine, by its own names."
    )
    environment: Mapping[str, str] = Field(
        default_factory=dict, description="Environment variables of the replicas' processes."
    )
    sampling: SamplingSpec = Field(default=SamplingSpec(), description="Default sampling.")
    num_gpus: NonNegativeFloat = Field(
        default=0, description="GPUs a replica, in all; a part of one, such as 0.5, shares it."
    )
    tensor_parallel_size: PositiveInt = Field(
        default=1, description="GPUs that hold each layer together; for vllm all of num_gpus."
    )
    num_cpus: NonNegativeFloat = Field(default=1, description="CPU cores a replica.")
    node_resource: NodeResource | None = Field(
        default=None,
        description="Ray resource that a node must have for a replica to run on it, such as "
        "accelerator_type:H100, which Ray finds by itself; by default any node with room.",
    )
    parameter_count: PositiveInt | None = Field(
        default=None, description="Parameters of the weights; checks memory_gib."
    )
    memory_gib: PositiveFloat | None = Field(
        default=None,
        description="Least memory a replica, of all its GPUs together or else of the machine, as "
        "estimated from the weights, a KV cache of four full contexts, and 2 GiB a GPU.",
    )
    stall_s: PositiveFloat = Field(
        default=300.0,
        description="Longest that the engine may produce nothing for anybody while it has work; "
        "then it counts as hung, its requests end and the replica is replaced. Not for openai.",
    )
    scaling: ScalingSpec = Field(default=ScalingSpec(), description="Replicas and their load.")
    openai: OpenAISpec | None = Field(
        default=None, description="The endpoint, for the openai engine only."
    )
    scripted: ScriptedSpec = Field(
        default=ScriptedSpec(), description="What it plays, for the scripted engine only."
    )

    @field_validator("engine_arguments")
    @classmethod
    def _leaves_governed_arguments_alone(
        cls, arguments: Mapping[str, JsonValue]
    ) -> Mapping[str, JsonValue]:
        for name in arguments:
            if name in _GOVERNED_ARGUMENTS:
                raise ValueError(f"{name} is set by the key {_GOVERNED_ARGUMENTS[name]}")
            if name in _OWN_ARGUMENTS:
                raise ValueError(f"{name} cannot be chosen: {_OWN_ARGUMENTS[name]}")
        return arguments

    @model_validator(mode="after")
    def _suits_its_engine(self) -> Self:
        if self.has_weights and not self.source.is_given:
            raise ValueError(
                f"source: give exactly one of folder and hub, as {self.engine} loads weights"
            )
        if self.engine == "openai":
            _refuse_keys_of_weights(self)
        if (self.openai is not None) != (self.engine == "openai"):
            raise ValueError("openai: goes with the openai engine, and only with it")
        if "scripted" in self.model_fields_set and self.engine != "scripted":
            raise ValueError(f"scripted: the {self.engine} engine plays no script")
        if self.adapters and not self.has_weights:
            raise ValueError(f"adapters: the {self.engine} engine has none")
        for name, place in self.adapters.items():
            if not place.is_given:
                raise ValueError(f"adapters.{name}: give exactly one of folder and hub")
        return self

    @model_validator(mode="after")
    def _agrees_on_gpus(self) -> Self:
        if self.num_gpus > 1 and not self.num_gpus.is_integer():
            raise ValueError(f"num_gpus: must be whole above 1; got {self.num_gpus:g}")
        size = self.tensor_parallel_size
        if size > 1 and self.engine != "vllm":
            raise ValueError(f"tensor_parallel_size: the {self.engine} engine has none")
        if size > max(1, self.num_gpus):
            raise ValueError(f"tensor_parallel_size ({size}) exceeds num_gpus ({self.num_gpus:g})")
        if self.engine == "vllm" and self.num_gpus > size:
            raise ValueError(
                f"tensor_parallel_size ({size}) must equal num_gpus ({self.num_gpus:g}): "
                "vLLM would leave the others idle"
            )
        return self

    @property
    def has_weights(self) -> bool:
        """Whether its engine loads weights."""
        return self.engine in _ENGINES_WITH_WEIGHTS

    @property
    def runs_on_cpu(self) -> bool:
        """Whether a replica takes no GPU."""
        return self.num_gpus == 0

    @property
    def chat_template_digest(self) -> str:
        """Names the entry's own chat template; empty where the weights bring theirs."""
        return "" if self.chat_template is None else digest_of(self.chat_template.encode())

    @property
    def needs_download(self) -> bool:
        """Whether weights, or those of an adapter, come from the hub."""
        return any(place.hub is not None for place in (self.source, *self.adapters.values()))

    @property
    def source_label(self) -> str:
        """The hub id, the endpoint's model, or ``local`` for a folder."""
        if self.openai is not None:
            return self.openai.model
        return self.source.hub or "local"

    @property
    def weights(self) -> str:
        """What the engine loads: the hub id or the folder's path."""
        return self.source.hub or self.source.folder or ""


def _refuse_keys_of_weights(spec: ModelSpec) -> None:
    """Refuses keys that say nothing of a model that somebody else runs."""
    keys = (
        "source",
        "dtype",
        "quantization",
        "trust_remote_code",
        "chat_template",
        "engine_arguments",
        "num_gpus",
        "memory_gib",
    )
    for key in keys:
        if key in spec.model_fields_set:
            raise ValueError(f"{key}: belongs to whoever runs the endpoint, not to this entry")
