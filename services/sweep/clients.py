"""Typed clients of the two services; protobuf messages do not leave this module."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol, TypeVar

from google.protobuf.json_format import MessageToJson
from grpc import aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as generation_pb2
from expart.generation.v1 import generation_service_pb2_grpc as generation_grpc
from expart.scoring.v1 import scoring_service_pb2 as scoring_pb2
from expart.scoring.v1 import scoring_service_pb2_grpc as scoring_grpc
from services.core.errors import (
    EngineUnavailableError,
    ErrorReason,
    GenerationAbortedError,
    ImageTooLargeError,
    InternalError,
    ServiceError,
    service_error_classes,
)
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.rpc.limits import MAX_MESSAGE_BYTES
from services.rpc.status import error_from_rpc
from services.sweep.directory import FixedDirectory, ModelDescription
from services.sweep.messages import (
    Explanation,
    ExplanationRequest,
    MetricScore,
    ScoringAnswer,
    ScoringRequest,
)
from services.sweep.rows import FinishReason

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

ResponseT = TypeVar("ResponseT")
ResponseT_co = TypeVar("ResponseT_co", covariant=True)

# What grpc.aio (_call.py, grpcio 1.85) reports instead of the server's status when a message is
# written to a stream that the server has just ended.
_LOST_WHILE_WRITING = "Internal error from Core"

# A listing is answered from memory; waiting longer would only hide that the service is not there.
_LIST_TIMEOUT_S = 10.0


class _ResponseStream(Protocol[ResponseT_co]):
    """The part of grpc's two streaming calls that reading needs."""

    def __aiter__(self) -> AsyncIterator[ResponseT_co]: ...

    def cancel(self) -> bool: ...


class GenerationClient:
    """Calls a generation service.

    Args:
        channel: An open channel to it.
    """

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = generation_grpc.GenerationServiceStub(channel)

    async def list_models(self) -> tuple[ModelDescription, ...]:
        """Lists the models of the service's catalog.

        Raises:
            ServiceError: The service failed or is not there.
        """
        try:
            answer = await self._stub.ListModels(
                generation_pb2.ListModelsRequest(), timeout=_LIST_TIMEOUT_S
            )
        except aio.AioRpcError as failure:
            raise error_from_rpc(failure) from failure
        return tuple(
            ModelDescription(model.name, model.revision, tuple(model.adapters))
            for model in answer.models
        )

    async def explain(self, request: ExplanationRequest, deadline_s: float) -> Explanation:
        """Asks for one explanation; cancelling this frees the engine's slot.

        Raises:
            ServiceError: The service failed, is not there or took longer than ``deadline_s``.
            ImageTooLargeError: The picture does not fit into one message.
        """
        message = _to_pb(request)
        # The service's transport would refuse it as if the service were full.
        if message.ByteSize() > MAX_MESSAGE_BYTES:
            raise ImageTooLargeError(
                f"the picture has {len(request.image)} bytes, and a request may have "
                f"{MAX_MESSAGE_BYTES} in all: make the picture smaller"
            )
        deltas: list[str] = []
        completion: generation_pb2.Completion | None = None
        call = self._stub.StreamExplanation(message, timeout=deadline_s)
        async for event in _translated(call):
            if event.WhichOneof("event") == "text_delta":
                deltas.append(event.text_delta)
            else:
                completion = event.completion
        if completion is None:
            raise GenerationAbortedError("the stream ended before the explanation was complete")
        return _from_pb("".join(deltas), completion)


class ScoringClient:
    """Calls a scoring service.

    Args:
        channel: An open channel to it.
    """

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = scoring_grpc.ScoringServiceStub(channel)

    async def signatures(self) -> dict[str, str]:
        """Gives the signature of every metric that is computed by default, in their order.

        Raises:
            ServiceError: The service failed or is not there.
        """
        try:
            answer = await self._stub.ListMetrics(
                scoring_pb2.ListMetricsRequest(), timeout=_LIST_TIMEOUT_S
            )
        except aio.AioRpcError as failure:
            raise error_from_rpc(failure) from failure
        return {metric.name: metric.signature for metric in answer.metrics if metric.default}

    async def score(self, requests: AsyncIterator[ScoringRequest]) -> AsyncIterator[ScoringAnswer]:
        """Scores explanations over one stream; answers come in any order.

        Raises:
            ServiceError: The stream was lost; what is unanswered may be sent again.
        """

        async def messages() -> AsyncIterator[scoring_pb2.ScoreExplanationsRequest]:
            async for request in requests:
                yield scoring_pb2.ScoreExplanationsRequest(
                    item_id=request.item_id,
                    item=scoring_pb2.ScoringItem(
                        candidate=request.candidate,
                        reference=request.reference,
                        entities=request.entities,
                    ),
                )

        async for response in _translated(self._stub.ScoreExplanations(messages())):
            yield _answer(response)


async def served_models(address: str, security: ClientSecurity | None = None) -> FixedDirectory:
    """Asks a running generation service which models it has.

    Args:
        address: ``host:port`` of the service.
        security: What it is called with; by default plaintext without a token.

    Raises:
        UserInputError: A file of the security is wrong.
        ServiceError: The service failed or is not there.
    """
    async with open_channel(address, security) as channel:
        models = await GenerationClient(channel).list_models()
    return FixedDirectory(models, f"the generation service at {address}")


async def _translated(call: _ResponseStream[ResponseT]) -> AsyncIterator[ResponseT]:
    try:
        async for response in call:
            yield response
    except aio.AioRpcError as failure:
        if failure.details() == _LOST_WHILE_WRITING:
            raise EngineUnavailableError(
                "the stream was lost while something was sent"
            ) from failure
        raise error_from_rpc(failure) from failure
    finally:
        call.cancel()  # whoever stops reading early must not leave the service working


def _to_pb(request: ExplanationRequest) -> generation_pb2.StreamExplanationRequest:
    # The spec's field names are the contract's; what was left out stays unset.
    sampling = generation_pb2.SamplingParameters(**request.sampling.model_dump(exclude_none=True))
    return generation_pb2.StreamExplanationRequest(
        request_id=request.request_id,
        model=request.model,
        adapter=request.adapter,
        image=content_pb2.Image(data=request.image),
        instruction=request.instruction,
        system_text=request.system_text,
        sampling=sampling,
        lane=generation_pb2.LANE_SWEEP,
    )


def _from_pb(text: str, completion: generation_pb2.Completion) -> Explanation:
    cut_off = completion.finish_reason == generation_pb2.FINISH_REASON_LENGTH
    usage, timings, ran = completion.usage, completion.timings, completion.provenance
    return Explanation(
        text=text,
        finish_reason=FinishReason.LENGTH if cut_off else FinishReason.STOP,
        prompt_token_count=usage.prompt_token_count,
        image_token_count=usage.image_token_count,
        generated_token_count=usage.generated_token_count,
        queue_s=_seconds(timings.queue_duration),
        prefill_s=_seconds(timings.prefill_duration),
        decode_s=_seconds(timings.decode_duration),
        model=ran.model,
        revision=ran.revision,
        adapter=ran.adapter,
        engine=ran.engine,
        engine_version=ran.engine_version,
        dtype=ran.dtype,
        quantization=ran.quantization,
        sampling=MessageToJson(ran.sampling, preserving_proto_field_name=True, indent=None),
        image_digest=ran.image_digest,
    )


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9


def _answer(response: scoring_pb2.ScoreExplanationsResponse) -> ScoringAnswer:
    if response.WhichOneof("result") == "scores":
        scores = tuple(_score(score) for score in response.scores.scores)
        return ScoringAnswer(response.item_id, scores, None)
    return ScoringAnswer(response.item_id, (), _item_error(response.error))


def _score(score: scoring_pb2.Score) -> MetricScore:
    has_value = score.WhichOneof("outcome") == "value"
    reason = scoring_pb2.UnscorableReason.Name(score.unscorable)
    return MetricScore(
        metric=score.metric,
        value=score.value if has_value else None,
        unscorable=None if has_value else reason.removeprefix("UNSCORABLE_REASON_"),
        statistics=tuple(score.statistics),
        signature=score.signature,
    )


def _item_error(error: content_pb2.ItemError) -> ServiceError:
    try:
        kind = service_error_classes()[ErrorReason(error.reason)]
    except ValueError:
        # A newer service may know reasons that this driver does not.
        return InternalError(f"{error.reason}: {error.message}")
    return kind(error.message, **dict(error.metadata))
