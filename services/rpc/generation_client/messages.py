"""Between the client's values and the contract's messages."""

from __future__ import annotations  # protobuf's durations have no run-time type worth importing

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import FieldViolation, ImageTooLargeError, InvalidRequestError
from services.rpc.generation_client.pictures import Picture
from services.rpc.generation_client.values import (
    Completion,
    Explanation,
    FinishReason,
    Lane,
    Model,
    ModelState,
    Provenance,
    Question,
    Sampling,
    StoredImage,
    StreamEvent,
    TextDelta,
    Timings,
    TokenUsage,
)
from services.rpc.limits import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message

RequestT = TypeVar("RequestT", pb.GenerateExplanationRequest, pb.StreamExplanationRequest)

# The contract's bound.
_CHUNK_BYTES = 2**20
_LANES = {Lane.INTERACTIVE: pb.LANE_INTERACTIVE, Lane.SWEEP: pb.LANE_SWEEP}
_STATES = {
    pb.MODEL_STATE_READY: ModelState.READY,
    pb.MODEL_STATE_LOADING: ModelState.LOADING,
    pb.MODEL_STATE_SCALED_TO_ZERO: ModelState.SCALED_TO_ZERO,
    pb.MODEL_STATE_FAILED: ModelState.FAILED,
}
_TEXTS = ("request_id", "model", "adapter", "instruction", "system_text")
_PLAIN_SAMPLING = [field.name for field in fields(Sampling) if field.name != "stop"]


def request_message(
    kind: type[RequestT], question: Question, image: content_pb2.Image | None
) -> RequestT:
    """Writes a request.

    Raises:
        InvalidRequestError: A value is not of its field's type, or too large for it.
        ImageTooLargeError: It does not fit into one message.
    """
    message = kind(image=image, sampling=_sampling_message(question.sampling))
    for name in _TEXTS:
        _set(message, name, getattr(question, name))
    _set(message, "lane", _LANES.get(question.lane, question.lane))
    # gRPC would refuse it with the code of a service that is full.
    if (size := message.ByteSize()) > MAX_MESSAGE_BYTES:
        raise ImageTooLargeError(
            f"the request has {size} bytes and may have {MAX_MESSAGE_BYTES}; "
            "make the picture smaller"
        )
    return message


def upload_messages(picture: Picture) -> Iterator[pb.PutImageRequest]:
    """Writes the steps of an upload."""
    data = picture.data or b""
    yield pb.PutImageRequest(header=pb.ImageHeader(digest=picture.digest, size_bytes=len(data)))
    for start in range(0, len(data), _CHUNK_BYTES):
        yield pb.PutImageRequest(chunk=data[start : start + _CHUNK_BYTES])


def stored_image(message: pb.PutImageResponse) -> StoredImage:
    """Reads which image was stored."""
    return StoredImage(message.digest, message.size_bytes, message.already_stored)


def explanation(message: pb.GenerateExplanationResponse) -> Explanation:
    """Reads a whole explanation."""
    return Explanation(message.text, completion(message.completion))


def stream_event(message: pb.StreamExplanationResponse) -> StreamEvent:
    """Reads a step of a growing explanation."""
    if message.WhichOneof("event") == "text_delta":
        return TextDelta(message.text_delta)
    return completion(message.completion)


def completion(message: pb.Completion) -> Completion:
    """Reads what is known of a finished generation."""
    usage, timings, ran = message.usage, message.timings, message.provenance
    cut_off = message.finish_reason == pb.FINISH_REASON_LENGTH
    return Completion(
        request_id=message.request_id,
        finish_reason=FinishReason.LENGTH if cut_off else FinishReason.STOP,
        truncated=message.truncated,
        usage=TokenUsage(
            prompt_token_count=usage.prompt_token_count,
            image_token_count=usage.image_token_count,
            generated_token_count=usage.generated_token_count,
        ),
        timings=Timings(
            admission_s=_seconds(timings.admission_duration),
            queue_s=_seconds(timings.queue_duration),
            prefill_s=_seconds(timings.prefill_duration),
            decode_s=_seconds(timings.decode_duration),
            first_token_s=_seconds(timings.first_token_duration),
            total_s=_seconds(timings.total_duration),
        ),
        provenance=Provenance(
            model=ran.model,
            revision=ran.revision,
            adapter=ran.adapter,
            engine=ran.engine,
            engine_version=ran.engine_version,
            dtype=ran.dtype,
            quantization=ran.quantization,
            sampling=_sampling(ran.sampling),
            image_digest=ran.image_digest,
            chat_template_digest=ran.chat_template_digest,
            gpu_count=ran.gpu_count,
            configuration_digest=ran.configuration_digest,
            adapter_revision=ran.adapter_revision,
        ),
    )


def model(message: pb.Model) -> Model:
    """Reads a model with its state."""
    return Model(
        name=message.name,
        source=message.source,
        revision=message.revision,
        engine=message.engine,
        state=_STATES.get(message.state, ModelState.UNKNOWN),
        state_reason=message.state_reason,
        adapters=tuple(message.adapters),
        max_context_token_count=message.max_context_token_count,
        ready_replica_count=message.ready_replica_count,
        chat_template_digest=message.chat_template_digest,
        gpu_count=message.gpu_count,
        configuration_digest=message.configuration_digest,
        adapter_revisions=dict(message.adapter_revisions),
    )


def _sampling_message(sampling: Sampling) -> pb.SamplingParameters:
    message = pb.SamplingParameters()
    for name in _PLAIN_SAMPLING:
        if (value := getattr(sampling, name)) is not None:
            _set(message, name, value, within="sampling.")
    # A text is a sequence of texts too: each of its letters would end the explanation.
    stop: object = sampling.stop
    if isinstance(stop, str):
        raise _refused("sampling.stop", "must be a tuple of texts, not one text")
    try:
        message.stop.extend(sampling.stop)
    except (TypeError, ValueError) as error:
        raise _refused("sampling.stop", f"cannot be sent: {error}") from error
    return message


def _set(message: Message, name: str, value: object, within: str = "") -> None:
    """Sets a field.

    Raises:
        InvalidRequestError: The field cannot hold the value; the service would answer likewise.
    """
    try:
        setattr(message, name, value)
    except (TypeError, ValueError) as error:
        raise _refused(within + name, f"cannot be sent: {error}") from error


def _refused(field: str, description: str) -> InvalidRequestError:
    violation = FieldViolation(field, description)
    return InvalidRequestError(f"{field} {description}", violations=(violation,))


def _sampling(message: pb.SamplingParameters) -> Sampling:
    given = {
        name: getattr(message, name)
        for name in _PLAIN_SAMPLING
        if message.HasField(name)  # type: ignore[arg-type]  # the names are those of the proto
    }
    return Sampling(**given, stop=tuple(message.stop))


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9
