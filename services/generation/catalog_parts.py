"""The blocks that a catalog entry is made of."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from services.generation import sampling as limits
from services.generation.domain import Sampling, SamplingRequest

_AMOUNTS = frozenset({"CPU", "GPU", "memory", "object_store_memory"})


def _is_no_amount(name: str) -> str:
    """Refuses what a node has an amount of: a name of the node's kind is asked for."""
    if name in _AMOUNTS:
        raise ValueError(f"{name} is an amount, not a kind of node: use num_cpus and num_gpus")
    return name


# The name of a Ray resource that says what kind of node a node is.
NodeResource = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]*$"), AfterValidator(_is_no_amount)
]


class Entry(BaseModel):
    """A block of keys: typed strictly, unknown ones refused, unchangeable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceSpec(Entry):
    """Where weights come from: ``folder`` or ``hub``."""

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

    @property
    def is_given(self) -> bool:
        """Whether there are weights at all: an endpoint's model has none of ours."""
        return self.folder is not None or self.hub is not None

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        both = self.folder is not None and self.hub is not None
        if both or (self.model_fields_set and not self.is_given):
            raise ValueError("give exactly one of folder and hub")
        if self.folder is not None and "revision" in self.model_fields_set:
            raise ValueError("revision belongs to a hub id; a folder's is computed")
        return self


class SamplingSpec(Entry):
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


class ImageSpec(Entry):
    """Which pictures the model takes; each bound counts beside the front's own."""

    required: bool = Field(
        default=False, description="Refuse requests without a picture, as the model needs one."
    )
    max_pixels: PositiveInt | None = Field(
        default=None, description="Most pixels, width times height."
    )
    max_aspect_ratio: Annotated[float, Field(ge=1)] | None = Field(
        default=None, description="Longest allowed shape: longer edge by shorter edge."
    )
    max_bytes: PositiveInt | None = Field(default=None, description="Most bytes as encoded.")


class ScalingSpec(Entry):
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


RefusableField = Literal[
    "temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty"
]


class OpenAISpec(Entry):
    """An endpoint that speaks OpenAI's chat completions, for the openai engine only."""

    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")] = Field(
        description="Its address up to the version, such as https://api.openai.com/v1."
    )
    model: str = Field(min_length=1, description="What the endpoint calls the model.")
    dialect: Literal["openai", "vllm"] = Field(
        default="openai",
        description="vllm: the endpoint is a vLLM server, and takes vLLM's own sampling fields.",
    )
    refuses: tuple[RefusableField, ...] = Field(
        default=(),
        strict=False,
        description="Sampling fields that this model refuses or ignores; they are never sent, and "
        "requests that set them are refused. For a refused temperature the entry's own must be 1.",
    )
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = Field(
        default="max_completion_tokens",
        description="What the endpoint calls the limit on tokens; older servers: max_tokens.",
    )
    api_key_file: str | None = Field(
        default=None,
        min_length=1,
        description="File with the key, read again when it changes; a relative one lies beside "
        "the entry. Without one no key is sent.",
    )
    max_concurrent_requests: PositiveInt = Field(
        default=8, description="Most requests of one replica that the endpoint gets at a time."
    )
    request_timeout_s: PositiveFloat = Field(
        default=300.0, description="Longest that one request may take, retries included."
    )

    @model_validator(mode="after")
    def _keeps_secrets_out_of_the_address(self) -> Self:
        # Addresses are listed and logged. Said of the whole block, so that this one is not quoted.
        if urlsplit(self.base_url).username is not None:
            raise ValueError("base_url must hold no user or password: use api_key_file")
        return self


class ScriptedFault(Entry):
    """What goes wrong for some of the scripted engine's requests.

    A request is met by the first fault whose conditions all hold; with none given, all requests
    are met.
    """

    action: Literal["fail", "refuse", "overload", "hang", "hang_stubbornly", "freeze", "crash"] = (
        Field(
            description="fail: the engine is lost for this request; refuse: the request is "
            "invalid; overload: refused for now, with a retry delay of 1 s; hang: no further "
            "token until cancelled; hang_stubbornly: not even then, until the engine is stopped; "
            "freeze: the whole process stands still; crash: the process ends at once.",
        )
    )
    after_tokens: NonNegativeInt = Field(
        default=0,
        description="How many tokens come first; an answer of fewer is not met. "
        "0 is before the first one, and all that refuse and overload know.",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="Share of the requests that are met, chosen by a hash of request_id and "
        "content: repeating a request meets it again.",
    )
    instruction_contains: str = Field(default="", description="Only requests that say this.")
    request_id_contains: str = Field(default="", description="Only requests so named.")
    times: PositiveInt | None = Field(
        default=None, description="How often a replica does it; always, when left out."
    )

    @model_validator(mode="after")
    def _refuses_before_the_first_token(self) -> Self:
        if self.action in ("refuse", "overload") and self.after_tokens:
            raise ValueError(f"after_tokens must be 0 for the action {self.action}")
        return self


class ScriptedSpec(Entry):
    """What the scripted engine plays: its timing, and what goes wrong."""

    load_s: NonNegativeFloat = Field(default=0.0, description="Seconds that loading takes.")
    load_error: str = Field(
        default="", description="Why loading fails in the end, in one line; empty: it succeeds."
    )
    first_token_s: NonNegativeFloat = Field(default=0.0, description="Time to first token.")
    per_token_s: NonNegativeFloat = Field(default=0.0, description="Delay before each next one.")
    faults: tuple[ScriptedFault, ...] = Field(
        default=(), strict=False, description="What goes wrong for which requests."
    )
    unhealthy_after: NonNegativeInt | None = Field(
        default=None,
        description="After how many requests, however they ended, a replica calls itself unwell "
        "and is replaced; it goes on answering meanwhile. Never, when left out.",
    )
