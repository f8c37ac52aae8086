"""What the generation service talks about inside, free of gRPC, Ray and engines."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Lane(StrEnum):
    """Who waits for whom when the service is full."""

    INTERACTIVE = "interactive"
    SWEEP = "sweep"


class FinishReason(StrEnum):
    """Why a generation ended: the model stopped, or a limit on tokens cut it off."""

    STOP = "stop"
    LENGTH = "length"


class ModelState(StrEnum):
    """Whether a model can be called."""

    READY = "ready"
    LOADING = "loading"
    SCALED_TO_ZERO = "scaled_to_zero"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded picture.

    Attributes:
        data: The file as it came.
        digest: ``sha256:`` and the hexadecimal SHA-256 of ``data``.
    """

    data: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class SamplingRequest:
    """What a caller asks for; None takes the model's default. Ranges as in the proto."""

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
class Sampling:
    """How tokens are really chosen. ``seed`` is None only where chance plays no part."""

    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    seed: int | None
    stop: tuple[str, ...]
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    min_tokens: int


@dataclass(frozen=True, slots=True)
class ExplanationRequest:
    """One explanation that a caller asks for."""

    request_id: str
    model: str
    adapter: str
    image: Image | None
    instruction: str
    system_text: str
    sampling: SamplingRequest
    lane: Lane


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One explanation as an engine gets it: checked, every default filled in."""

    request_id: str
    image: Image | None
    instruction: str
    system_text: str
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens that one request took; the prompt's count includes the image's."""

    prompt_token_count: int
    image_token_count: int
    generated_token_count: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from arrival to scheduling, to the first token, and from there to the last."""

    queue_s: float
    prefill_s: float
    decode_s: float


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What an engine knows about a generation that ended. ``sampling`` is what was applied."""

    finish_reason: FinishReason
    usage: TokenUsage
    timings: Timings
    sampling: Sampling


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


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text to append to what came before; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Completion:
    """Everything about a finished generation but its text."""

    request_id: str
    finish_reason: FinishReason
    usage: TokenUsage
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Explanation:
    """One generated explanation, whole."""

    text: str
    completion: Completion


@dataclass(frozen=True, slots=True)
class ModelCondition:
    """How a model is at the moment.

    Attributes:
        state: Whether it can be called.
        reason: One line saying why it is loading or failed, otherwise empty.
        ready_replica_count: Replicas that can answer now.
        revision: Revision of the weights, empty until known.
    """

    state: ModelState
    reason: str = ""
    ready_replica_count: int = 0
    revision: str = ""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model of the catalog with its present condition."""

    name: str
    source: str
    engine: str
    max_context_token_count: int
    condition: ModelCondition


ModelConditions = Mapping[str, ModelCondition]
ExplanationEvent = TextDelta | Completion
