"""Between the contract's messages and the domain, and nowhere else."""

import uuid

from google.protobuf import duration_pb2

from expart.generation.v1 import generation_service_pb2 as pb
from services.core.digests import digest_of
from services.core.errors import FieldViolation, ImageNotFoundError, InvalidRequestError
from services.generation.domain import (
    Completion,
    ExplanationEvent,
    ExplanationRequest,
    FinishReason,
    Image,
    Lane,
    ModelInfo,
    ModelState,
    Sampling,
    SamplingRequest,
    TextDelta,
)
from services.generation.images import check_bytes
from services.generation.sampling import sampling_violations

MAX_REQUEST_ID_CHARS = 128
# Far beyond any model's context, and short enough to tokenise in a moment.
MAX_TEXT_CHARS = 200_000

_OPTIONAL_SAMPLING_FIELDS = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "min_tokens",
)
_LANES = {
    pb.LANE_UNSPECIFIED: Lane.INTERACTIVE,
    pb.LANE_INTERACTIVE: Lane.INTERACTIVE,
    pb.LANE_SWEEP: Lane.SWEEP,
}
_FINISH_REASONS = {
    FinishReason.STOP: pb.FINISH_REASON_STOP,
    FinishReason.LENGTH: pb.FINISH_REASON_LENGTH,
}
_MODEL_STATES = {
    ModelState.READY: pb.MODEL_STATE_READY,
    ModelState.LOADING: pb.MODEL_STATE_LOADING,
    ModelState.SCALED_TO_ZERO: pb.MODEL_STATE_SCALED_TO_ZERO,
    ModelState.FAILED: pb.MODEL_STATE_FAILED,
}


def explanation_request(
    message: pb.GenerateExplanationRequest | pb.StreamExplanationRequest, *, image_max_bytes: int
) -> ExplanationRequest:
    """Reads a request and checks every field that needs no model to be judged.

    Raises:
        InvalidRequestError: Fields are missing, malformed or out of range; it names all of them.
        ImageTooLargeError: The encoded image has more than ``image_max_bytes``.
        ImageNotFoundError: The image was named by a digest, and none is stored here.
    """
    sampling = _sampling_request(message.sampling)
    violations = [*_field_violations(message), *sampling_violations(sampling)]
    if violations:
        first = violations[0]
        raise InvalidRequestError(
            f"{first.field} {first.description}", violations=tuple(violations)
        )
    return ExplanationRequest(
        request_id=message.request_id or uuid.uuid4().hex,
        model=message.model,
        adapter=message.adapter,
        image=_image(message, image_max_bytes),
        instruction=message.instruction,
        system_text=message.system_text,
        sampling=sampling,
        lane=_LANES[message.lane],
    )


def completion_message(completion: Completion) -> pb.Completion:
    """Writes a completion."""
    usage, timings, origin = completion.usage, completion.timings, completion.provenance
    return pb.Completion(
        request_id=completion.request_id,
        finish_reason=_FINISH_REASONS[completion.finish_reason],
        usage=pb.TokenUsage(
            prompt_token_count=usage.prompt_token_count,
            image_token_count=usage.image_token_count,
            generated_token_count=usage.generated_token_count,
        ),
        timings=pb.Timings(
            queue_duration=_duration(timings.queue_s),
            prefill_duration=_duration(timings.prefill_s),
            decode_duration=_duration(timings.decode_s),
        ),
        provenance=pb.Provenance(
            model=origin.model,
            revision=origin.revision,
            adapter=origin.adapter,
            engine=origin.engine,
            engine_version=origin.engine_version,
            dtype=origin.dtype,
            quantization=origin.quantization,
            sampling=_sampling_message(origin.sampling),
            image_digest=origin.image_digest,
        ),
    )


def event_message(event: ExplanationEvent) -> pb.StreamExplanationResponse:
    """Writes one step of a stream."""
    if isinstance(event, TextDelta):
        return pb.StreamExplanationResponse(text_delta=event.text)
    return pb.StreamExplanationResponse(completion=completion_message(event))


def model_message(info: ModelInfo) -> pb.Model:
    """Writes a model with its state."""
    return pb.Model(
        name=info.name,
        source=info.source,
        revision=info.condition.revision,
        engine=info.engine,
        state=_MODEL_STATES[info.condition.state],
        state_reason=info.condition.reason,
        max_context_token_count=info.max_context_token_count,
        ready_replica_count=info.condition.ready_replica_count,
    )


def _field_violations(
    message: pb.GenerateExplanationRequest | pb.StreamExplanationRequest,
) -> list[FieldViolation]:
    found: list[FieldViolation] = []
    if len(message.request_id) > MAX_REQUEST_ID_CHARS or not _is_printable(message.request_id):
        found.append(
            FieldViolation(
                "request_id",
                f"must be at most {MAX_REQUEST_ID_CHARS} printable ASCII characters; "
                f"got {len(message.request_id)} characters",
            )
        )
    if not message.model:
        found.append(FieldViolation("model", "must name a model"))
    if not message.instruction.strip():
        found.append(FieldViolation("instruction", "must not be empty"))
    found.extend(
        FieldViolation(name, f"must be at most {MAX_TEXT_CHARS} characters; got {len(text)}")
        for name, text in (
            ("instruction", message.instruction),
            ("system_text", message.system_text),
        )
        if len(text) > MAX_TEXT_CHARS
    )
    if message.HasField("image") and not (message.image.data or message.image.digest):
        found.append(FieldViolation("image", "must hold data or a digest"))
    if message.lane not in _LANES:
        found.append(FieldViolation("lane", f"is no known lane; got {message.lane}"))
    return found


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _image(
    message: pb.GenerateExplanationRequest | pb.StreamExplanationRequest, max_bytes: int
) -> Image | None:
    if not message.HasField("image"):
        return None
    if message.image.digest:
        raise ImageNotFoundError(
            "this service stores no images; send the image's bytes", digest=message.image.digest
        )
    # Before hashing, which would hold up the event loop for as long as the caller likes.
    check_bytes(message.image.data, max_bytes)
    return Image(message.image.data, digest_of(message.image.data))


def _sampling_request(message: pb.SamplingParameters) -> SamplingRequest:
    given = {
        name: getattr(message, name)
        for name in _OPTIONAL_SAMPLING_FIELDS
        if message.HasField(name)  # type: ignore[arg-type]  # the names are those of the proto
    }
    return SamplingRequest(**given, stop=tuple(message.stop))


def _sampling_message(sampling: Sampling) -> pb.SamplingParameters:
    message = pb.SamplingParameters(stop=sampling.stop)
    for name in _OPTIONAL_SAMPLING_FIELDS:
        if (value := getattr(sampling, name)) is not None:
            setattr(message, name, value)
    return message


def _duration(seconds: float) -> duration_pb2.Duration:
    message = duration_pb2.Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message
