"""What the driver and the two services say to each other, as plain values."""

from dataclasses import dataclass

from services.core.errors import ServiceError
from services.sweep.results.rows import FinishReason
from services.sweep.spec.spec import SamplingSpec


@dataclass(frozen=True, slots=True)
class ExplanationRequest:
    """Asks a model for one explanation. ``request_id`` names it in the service's log.

    ``image`` is the picture's name in the dataset and ``image_digest`` names its content; both are
    empty where no picture is shown.
    """

    request_id: str
    model: str
    adapter: str
    image: str
    image_digest: str
    instruction: str
    system_text: str
    sampling: SamplingSpec


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a model answered, and what the service attests of it. Times are in seconds."""

    text: str
    finish_reason: FinishReason
    truncated: bool
    prompt_token_count: int
    image_token_count: int
    generated_token_count: int
    admission_s: float
    queue_s: float
    prefill_s: float
    decode_s: float
    first_token_s: float
    total_s: float
    model: str
    revision: str
    adapter: str
    engine: str
    engine_version: str
    dtype: str
    quantization: str
    sampling: str
    image_digest: str
    chat_template_digest: str
    gpu_count: float
    configuration_digest: str
    adapter_revision: str

    @property
    def waited_s(self) -> float:
        """How long it waited for its turn, at the service and at the engine."""
        return self.admission_s + self.queue_s

    @property
    def served_s(self) -> float:
        """How long the engine worked on it."""
        return self.prefill_s + self.decode_s


@dataclass(frozen=True, slots=True)
class ScoringRequest:
    """An explanation to be scored. ``item_id`` comes back with the answer."""

    item_id: str
    candidate: str
    reference: str
    entities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricScore:
    """One metric's result: a value, or the reason why there is none."""

    metric: str
    value: float | None
    unscorable: str | None
    statistics: tuple[float, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class ScoringAnswer:
    """What came of one item: scores, or the error that kept it from being scored."""

    item_id: str
    scores: tuple[MetricScore, ...]
    error: ServiceError | None
