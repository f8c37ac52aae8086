"""Typed clients of the two services; protobuf messages do not leave this module and convert."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from zlib import crc32

from grpc import aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as generation_pb2
from expart.generation.v1 import generation_service_pb2_grpc as generation_grpc
from expart.scoring.v1 import scoring_service_pb2 as scoring_pb2
from expart.scoring.v1 import scoring_service_pb2_grpc as scoring_grpc
from services.core.errors import (
    DeadlineExceededError,
    GenerationAbortedError,
    ImageNotFoundError,
    ImageTooLargeError,
)
from services.metrics.options import ScoringOptions
from services.rpc.call_span import begin_call, calling, ending_call
from services.rpc.limits import MAX_MESSAGE_BYTES
from services.sweep.remote import convert
from services.sweep.remote.messages import (
    Explanation,
    ExplanationRequest,
    ScoringAnswer,
    ScoringRequest,
)
from services.sweep.remote.rpc_faults import responses, translated
from services.sweep.remote.uploads import Pictures, Uploads
from services.sweep.spec.scoring_options import options_of
from services.sweep.spec.spec import SweepSpec
from services.telemetry.propagation import current_trace, in_trace

# A listing is answered from memory; waiting longer would only hide that the service is not there.
_LIST_TIMEOUT_S = 10.0

_STREAM_EXPLANATION = "expart.generation.v1.GenerationService/StreamExplanation"
_SCORE_EXPLANATIONS = "expart.scoring.v1.ScoringService/ScoreExplanations"

# A front that was restarted needs the picture once more, for all the questions about it; to one
# that holds it no longer than that, it goes with the question.
_MOST_BY_DIGEST = 2


class GenerationClient:
    """Calls a generation service over several connections.

    What is asked about one picture goes over one connection, to the front that holds the picture
    and remembers what it answered; with another picture comes another connection.

    Args:
        channels: Open channels to it, at least one.
        pictures: The pictures that are asked about.
    """

    def __init__(self, channels: Sequence[aio.Channel], pictures: Pictures) -> None:
        self._pictures = pictures
        stubs = [generation_grpc.GenerationServiceStub(channel) for channel in channels]
        self._lines = [(stub, Uploads(stub, pictures)) for stub in stubs]

    async def explain(self, request: ExplanationRequest, deadline_s: float) -> Explanation:
        """Asks for one explanation; cancelling this frees the engine's slot.

        Raises:
            PictureMissingError: The picture is gone, or has changed since the sweep was planned.
            ServiceError: The service failed, is not there or took longer than ``deadline_s``.
            ImageTooLargeError: The picture does not fit into one message.
        """
        name = request.image_digest or request.request_id
        stub, uploads = self._lines[crc32(name.encode()) % len(self._lines)]
        if not request.image_digest:
            message = convert.explanation_message(request, None)
            return await _explained(stub, message, deadline_s)
        ends_at = time.monotonic() + deadline_s
        named = content_pb2.Image(digest=request.image_digest)
        message = convert.explanation_message(request, named)
        for _ in range(_MOST_BY_DIGEST):
            number = await uploads.bring(request.image, request.image_digest, _left_s(ends_at))
            try:
                return await _explained(stub, message, _left_s(ends_at))
            except ImageNotFoundError:
                uploads.note_missing(request.image_digest, number)
        message = await self._with_picture(request)
        answer = await _explained(stub, message, _left_s(ends_at))
        uploads.note_held(request.image_digest)
        return answer

    async def close(self) -> None:
        """Ends the uploads that are under way; the channels are whoever's opened them."""
        for _, uploads in self._lines:
            await uploads.close()

    async def _with_picture(
        self, request: ExplanationRequest
    ) -> generation_pb2.StreamExplanationRequest:
        async with self._pictures.sending:
            data = await self._pictures.read(request.image, request.image_digest)
        message = convert.explanation_message(request, content_pb2.Image(data=data))
        # The service's transport would refuse it as if the service were full.
        if message.ByteSize() > MAX_MESSAGE_BYTES:
            raise ImageTooLargeError(
                f"the picture has {len(data)} bytes, and a request may have "
                f"{MAX_MESSAGE_BYTES} in all: make the picture smaller"
            )
        return message


class ScoringClient:
    """Calls a scoring service.

    Args:
        channel: An open channel to it.
        metrics: The metrics to compute; by default those that the service computes by default.
        options: The choices that the benchmark leaves open.
    """

    def __init__(
        self,
        channel: aio.Channel,
        metrics: Sequence[str] = (),
        options: ScoringOptions | None = None,
    ) -> None:
        self._stub = scoring_grpc.ScoringServiceStub(channel)
        self._metrics = metrics
        self._options = convert.options_message(options or ScoringOptions())

    @classmethod
    def of_spec(cls, channel: aio.Channel, spec: SweepSpec) -> ScoringClient:
        """Calls it as a spec asks."""
        return cls(channel, spec.metrics, options_of(spec.scoring_options))

    async def signatures(self) -> dict[str, str]:
        """Gives the signature of every metric that is computed, in their order.

        A metric that the service lacks, or lacks an encoder for, is not among them.

        Raises:
            ServiceError: The service failed or is not there.
        """
        with translated():
            answer = await self._stub.ListMetrics(
                scoring_pb2.ListMetricsRequest(options=self._options), timeout=_LIST_TIMEOUT_S
            )
        return {
            metric.name: metric.signature
            for metric in answer.metrics
            if (metric.name in self._metrics if self._metrics else metric.default)
            and not metric.unavailable_reason
        }

    async def score(self, requests: AsyncIterator[ScoringRequest]) -> AsyncGenerator[ScoringAnswer]:
        """Scores explanations over one stream; answers come in any order.

        Raises:
            ServiceError: The stream was lost; what is unanswered may be sent again.
        """

        async def messages() -> AsyncIterator[scoring_pb2.ScoreExplanationsRequest]:
            async for request in requests:
                yield convert.scoring_message(request, self._metrics, self._options)

        span = begin_call(_SCORE_EXPLANATIONS)
        with ending_call(span):
            # The requests are read in a task that is made here: they find the call's span there.
            with in_trace(span.trace or current_trace()):
                call = self._stub.ScoreExplanations(messages())
            async with aclosing(responses(call)) as answers:
                async for response in answers:
                    yield convert.scoring_answer(response)


async def _explained(
    stub: generation_grpc.GenerationServiceAsyncStub,
    message: generation_pb2.StreamExplanationRequest,
    timeout_s: float,
) -> Explanation:
    deltas: list[str] = []
    completion: generation_pb2.Completion | None = None
    with calling(_STREAM_EXPLANATION):
        call = stub.StreamExplanation(message, timeout=timeout_s)
        try:
            with translated():
                async for event in call:
                    if event.WhichOneof("event") == "text_delta":
                        deltas.append(event.text_delta)
                    else:
                        completion = event.completion
        finally:
            call.cancel()  # whoever is cancelled must not leave the engine working
        if completion is None:
            raise GenerationAbortedError("the stream ended before the explanation was complete")
    return convert.explanation("".join(deltas), completion)


def _left_s(ends_at: float) -> float:
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise DeadlineExceededError("the deadline passed before the question was asked")
    return left_s
