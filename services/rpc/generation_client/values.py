"""What a client of the generation service says and hears, as plain values.

Fields mean what the fields of the same names mean in the contract,
``protos/expart/generation/v1/generation_service.proto``; durations are in seconds.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Lane(StrEnum):
    """Who waits for whom when the service is full."""

    INTERACTIVE = "INTERACTIVE"
    SWEEP = "SWEEP"


class FinishReason(StrEnum):
    """Why a generation ended."""

    STOP = "STOP"
    LENGTH = "LENGTH"


class ModelState(StrEnum):
    """Whether a model can be called."""

    READY = "READY"
    LOADING = "LOADING"
    SCALED_TO_ZERO = "SCALED_TO_ZERO"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    """A newer service may know states that this client does not."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; None takes the model's default. Ranges as in the contract."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    min_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that the service holds; may be given in place of its bytes.

    Attributes:
        digest: ``sha256:`` and the hexadecimal SHA-256 of the encoded file.
        size_bytes: Size of the encoded file.
        already_stored: Whether the service held it before.
    """

    digest: str
    size_bytes: int
    already_stored: bool


ImageSource = Path | bytes | StoredImage
"""A picture: a file to be read, the bytes of one, or what the service holds already."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens that one request took; the prompt's count includes the image's."""

    prompt_token_count: int
    image_token_count: int
    generated_token_count: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the seconds of one request went, as the service measured them."""

    admission_s: float
    queue_s: float
    prefill_s: float
    decode_s: float
    first_token_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """What really ran, so that a result can be reproduced or doubted."""

    model: str
    revision: str
    adapter: str
    engine: str
    engine_version: str
    dtype: str
    quantization: str
    sampling: Sampling
    image_digest: str
    chat_template_digest: str
    gpu_count: float
    configuration_digest: str
    adapter_revision: str


@dataclass(frozen=True, slots=True)
class Completion:
    """Everything about a finished generation but its text."""

    request_id: str
    finish_reason: FinishReason
    truncated: bool
    usage: TokenUsage
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Explanation:
    """One generated explanation, whole."""

    text: str
    completion: Completion


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text to append to what came before; never empty."""

    text: str


StreamEvent = TextDelta | Completion
"""A step of a growing explanation: text deltas, then exactly one completion."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalog with its present state."""

    name: str
    source: str
    revision: str
    engine: str
    state: ModelState
    state_reason: str
    adapters: tuple[str, ...]
    max_context_token_count: int
    ready_replica_count: int
    chat_template_digest: str
    gpu_count: float
    configuration_digest: str
    adapter_revisions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a model, but for its image.

    Attributes:
        model: Name of a model in the catalog.
        instruction: What to explain, in the words given to the model.
        adapter: One of the model's LoRA adapters, empty for the base model.
        system_text: Placed before the instruction, empty for what the chat template says.
        sampling: How tokens are chosen.
        lane: Which lane it waits in.
        request_id: Under which it may be repeated without a second generation; empty to have one
            drawn, as gRPC's own retries need one.
    """

    model: str
    instruction: str
    adapter: str
    system_text: str
    sampling: Sampling
    lane: Lane
    request_id: str

    def __post_init__(self) -> None:
        """Draws a request_id where there is none."""
        if not self.request_id:
            object.__setattr__(self, "request_id", uuid.uuid4().hex)
