"""Between the contract's messages and the domain, and nowhere else."""

import re
import uuid

from google.protobuf import duration_pb2

from expart.generation.v1 import generation_service_pb2 as pb
from services.core.digests import digest_of
from services.core.errors import FieldViolation, ImageTooLargeError, InvalidRequestError
from services.generation.domain import (
    Completion,
    ExplanationEvent,
    ExplanationRequest,
    FinishReason,
    Image,
    ImageHeader,
    ImageReference,
    Lane,
    ModelInfo,
    ModelState,
    Sampling,
    SamplingRequest,
    StoredImage,
    TextDelta,
)
from services.generation.images import check_bytes
from services.generation.sampling import sampling_violations

MAX_REQUEST_ID_CHARS = 128
# Far beyond any model's context, and short enough to tokenise in a moment.
MAX_TEXT_CHARS = 200_000

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DIGEST_FORM = 'must be "sha256:" and 64 lowercase hexadecimal digits'

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
    """
    sampling = _sampling_request(message.sampling)
    violations = [*_field_violations(message), *sampling_violations(sampling)]
    if violations:
        raise _invalid(violations)
    return ExplanationRequest(
        request_id=message.request_id or uuid.uuid4().hex,
        model=message.model,
        adapter=message.adapter,
        image=_image(message, image_max_bytes),
        instruction=message.instruction,
        system_text=message.system_text,
        sampling=sampling,
        lane=_LANES[message.lane],
        is_named=bool(message.request_id),
    )


def upload_step(message: pb.PutImageRequest, *, image_max_bytes: int) -> ImageHeader | bytes:
    """Reads one step of an upload.

    Raises:
        InvalidRequestError: It carries nothing, or a malformed header.
        ImageTooLargeError: It announces more than ``image_max_bytes``.
    """
    if message.WhichOneof("part") == "chunk":
        return message.chunk
    if not message.HasField("header"):
        raise _invalid([FieldViolation("part", "must hold a header or a chunk")])
    header = message.header
    if not _DIGEST.fullmatch(header.digest):
        raise _invalid([FieldViolation("header.digest", _DIGEST_FORM)])
    if header.size_bytes < 1:
        description = f"must be at least 1; got {header.size_bytes}"
        raise _invalid([FieldViolation("header.size_bytes", description)])
    if header.size_bytes > image_max_bytes:
        said = f"the image has {header.size_bytes} bytes; at most {image_max_bytes} are accepted"
        raise ImageTooLargeError(
            said,
            violations=(FieldViolation("header.size_bytes", said),),
            bytes=str(header.size_bytes),
            max_bytes=str(image_max_bytes),
        )
    return ImageHeader(header.digest, header.size_bytes)


def stored_message(stored: StoredImage) -> pb.PutImageResponse:
    """Writes which image is stored."""
    return pb.PutImageResponse(
        digest=stored.digest, size_bytes=stored.size_bytes, already_stored=stored.already_stored
    )


def completion_message(completion: Completion) -> pb.Completion:
    """Writes a completion."""
    usage, timings, origin = completion.usage, completion.timings, completion.provenance
    return pb.Completion(
        request_id=completion.request_id,
        finish_reason=_FINISH_REASONS[completion.finish_reason],
        truncated=completion.finish_reason is FinishReason.LENGTH,
        usage=pb.TokenUsage(
            prompt_token_count=usage.prompt_token_count,
            image_token_count=usage.image_token_count,
            generated_token_count=usage.generated_token_count,
        ),
        timings=pb.Timings(
            queue_duration=_duration(timings.queue_s),
            prefill_duration=_duration(timings.prefill_s),
            decode_duration=_duration(timings.decode_s),
            admission_duration=_duration(timings.admission_s),
            first_token_duration=_duration(timings.first_token_s),
            total_duration=_duration(timings.total_s),
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
            chat_template_digest=origin.chat_template_digest,
            gpu_count=origin.gpu_count,
            configuration_digest=origin.configuration_digest,
            adapter_revision=origin.adapter_revision,
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
        adapters=info.adapters,
        chat_template_digest=info.chat_template_digest,
        gpu_count=info.gpu_count,
        configuration_digest=info.configuration_digest,
        adapter_revisions=info.condition.adapter_revisions,
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
    if message.HasField("image"):
        if not (message.image.data or message.image.digest):
            found.append(FieldViolation("image", "must hold data or a digest"))
        elif message.image.digest and not _DIGEST.fullmatch(message.image.digest):
            found.append(FieldViolation("image.digest", _DIGEST_FORM))
    if message.lane not in _LANES:
        found.append(FieldViolation("lane", f"is no known lane; got {message.lane}"))
    return found


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _image(
    message: pb.GenerateExplanationRequest | pb.StreamExplanationRequest, max_bytes: int
) -> Image | ImageReference | None:
    if not message.HasField("image"):
        return None
    if message.image.digest:
        return ImageReference(message.image.digest)
    data = message.image.data
    # Before hashing, which would hold up the event loop for as long as the caller likes.
    check_bytes(data, max_bytes)
    return Image(data, digest_of(data))


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
    # By hand: each answer has six, and FromNanoseconds takes ten times as long.
    sign = -1 if seconds < 0 else 1
    whole, nanos = divmod(round(abs(seconds) * 1e9), 1_000_000_000)
    return duration_pb2.Duration(seconds=sign * whole, nanos=sign * nanos)


def _invalid(violations: list[FieldViolation]) -> InvalidRequestError:
    first = violations[0]
    return InvalidRequestError(f"{first.field} {first.description}", violations=tuple(violations))
