"""What the generation service talks about inside, free of gRPC, Ray and engines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class ImageReference:
    """Names a picture that was sent before by its digest."""

    digest: str


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Announces a picture that is about to be uploaded."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture that can be named by its digest; ``already_stored`` if it could before."""

    digest: str
    size_bytes: int
    already_stored: bool


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
    """One explanation that a caller asks for.

    ``is_named`` says whether the caller chose the id, and so may repeat the request by it.
    """

    request_id: str
    model: str
    adapter: str
    image: Image | ImageReference | None
    instruction: str
    system_text: str
    sampling: SamplingRequest
    lane: Lane
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One explanation as an engine gets it: checked, every default filled in.

    ``adapter`` is the name of a LoRA adapter of the model's catalog entry, empty for the base
    model. ``lane`` says whom an engine serves first when it cannot serve all. ``timeout_s`` are the
    seconds that the caller still waits when the engine gets the request: whoever calls the engine
    ends what takes longer, but an engine may refuse at once what cannot be ready in time.
    ``origin`` are headers that say which trace and which sweep it is part of.
    """

    request_id: str
    image: Image | None
    instruction: str
    system_text: str
    sampling: Sampling
    adapter: str = ""
    lane: Lane = Lane.INTERACTIVE
    timeout_s: float | None = None
    origin: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens that one request took; the prompt's count includes the image's."""

    prompt_token_count: int
    image_token_count: int
    generated_token_count: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that one request took.

    Attributes:
        queue_s: From arrival at the engine until it was scheduled.
        prefill_s: From there to the first token.
        decode_s: From the first token to the last.
        admission_s: Before all that: from arrival at the front until it was sent to a replica.
        total_s: From arrival at the front until its answer was complete there.
    """

    queue_s: float
    prefill_s: float
    decode_s: float
    admission_s: float = 0.0
    total_s: float = 0.0

    @property
    def first_token_s(self) -> float:
        """From arrival at the front to the first token, without the way to the replica."""
        return self.admission_s + self.queue_s + self.prefill_s


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What an engine knows about a generation that ended. ``sampling`` is what was applied.

    ``revision`` and ``engine_version`` are those of this very answer, from engines that learn them
    only with it; empty where the engine's own hold.
    """

    finish_reason: FinishReason
    usage: TokenUsage
    timings: Timings
    sampling: Sampling
    revision: str = ""
    engine_version: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What really ran, so that a result can be reproduced or doubted.

    Attributes as in the proto; ``gpu_count`` is a part of one where the replica shares its GPU.
    """

    model: str
    revision: str
    adapter: str
    engine: str
    engine_version: str
    dtype: str
    quantization: str
    sampling: Sampling
    image_digest: str
    chat_template_digest: str = ""
    gpu_count: float = 0.0
    configuration_digest: str = ""
    adapter_revision: str = ""


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
        adapter_revisions: Revision of each adapter by name; empty until known.
        wakes: Whether a call may wait for a replica that comes up from zero.
        starting_replica_count: Replicas that are on their way; no part of what makes two
            conditions equal.
    """

    state: ModelState
    reason: str = ""
    ready_replica_count: int = 0
    revision: str = ""
    wakes: bool = False
    adapter_revisions: Mapping[str, str] = field(default_factory=dict)
    starting_replica_count: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model of the catalog with its present condition; ``adapters`` are sorted names."""

    name: str
    source: str
    engine: str
    max_context_token_count: int
    condition: ModelCondition
    adapters: tuple[str, ...] = ()
    chat_template_digest: str = ""
    gpu_count: float = 0.0
    configuration_digest: str = ""


ModelConditions = Mapping[str, ModelCondition]
ExplanationEvent = TextDelta | Completion
