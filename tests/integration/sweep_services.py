"""Services for tests of the sweep driver: both contracts over real sockets, faults on demand."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as gen_pb
from expart.generation.v1 import generation_service_pb2_grpc as gen_grpc
from expart.scoring.v1 import scoring_service_pb2 as score_pb
from expart.scoring.v1 import scoring_service_pb2_grpc as score_grpc
from services.core.digests import digest_of
from services.core.errors import (
    EngineUnavailableError,
    GenerationAbortedError,
    ImageNotFoundError,
    ImageTooLargeError,
    ModelNotFoundError,
    ServiceError,
)
from services.metrics.analysis import ScoringInput
from services.metrics.options import ScoringOptions
from services.metrics.outcome import Unscorable
from services.metrics.registry import DEFAULT_METRICS, METRICS, score_all
from services.rpc.server import RpcServer
from services.rpc.status import status_code_of

GENERATION_NAME = gen_pb.DESCRIPTOR.services_by_name["GenerationService"].full_name
SCORING_NAME = score_pb.DESCRIPTOR.services_by_name["ScoringService"].full_name


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one attempt: at once, after a while, or after the first words."""

    error: ServiceError
    after_words: bool = False
    delay_s: float = 0.0


def no_fault(request: gen_pb.StreamExplanationRequest, attempt: int) -> Fault | None:
    """Nothing goes wrong."""
    del request, attempt
    return None


@dataclass
class ScriptedGeneration(gen_grpc.GenerationServiceServicer):
    """Answers every instruction with itself and a few words more, and keeps count.

    Attributes:
        revisions: Revision of each model that is served.
        fault: Says what goes wrong with the n-th attempt (from 1) at a request.
        delay_s: How long an answer takes.
        deadly: Instruction at which the engine dies, with all that is being answered.
        image_max_bytes: Largest picture that is taken.
        timings: What every answer is said to have taken.
        gpu_count: The GPUs that a replica is said to hold.
        adapter_revision: Revision of the adapter that each model has.
        identity: What else its models and answers are said to be made with, by field.
        asked: Attempts by request id.
        completed: Whole answers by request id.
        concurrent: Calls in flight now, by model.
        most_concurrent: Most calls in flight at once, by model.
        images: Pictures that are held, by digest; may be forgotten at any time.
        uploads: Uploads by digest.
        keeps_images: Whether what is uploaded is held.
        inlined: Questions that brought their picture.
    """

    revisions: dict[str, str]
    fault: Callable[[gen_pb.StreamExplanationRequest, int], Fault | None] = no_fault
    delay_s: float = 0.0
    deadly: str = ""
    image_max_bytes: int = 2**20
    timings: gen_pb.Timings | None = None
    gpu_count: float = 0.0
    adapter_revision: str = "a1"
    identity: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    concurrent: Counter[str] = field(default_factory=Counter)
    most_concurrent: Counter[str] = field(default_factory=Counter)
    cancelled: int = 0
    images: dict[str, bytes] = field(default_factory=dict)
    uploads: Counter[str] = field(default_factory=Counter)
    keeps_images: bool = True
    inlined: int = 0
    on_completed: Callable[[int], None] = lambda total: None
    died: asyncio.Event = field(default_factory=asyncio.Event)

    async def ListModels(
        self, request: gen_pb.ListModelsRequest, context: object
    ) -> gen_pb.ListModelsResponse:
        models = [
            gen_pb.Model(
                name=name,
                revision=revision,
                adapters=["wit"],
                adapter_revisions={"wit": self.adapter_revision},
                **self.identity,
            )
            for name, revision in sorted(self.revisions.items())
        ]
        return gen_pb.ListModelsResponse(models=models)

    async def PutImage(
        self, request_iterator: AsyncIterator[gen_pb.PutImageRequest], context: object
    ) -> gen_pb.PutImageResponse:
        header, data = None, b""
        async for step in request_iterator:
            if step.WhichOneof("part") == "header":
                header = step.header
            else:
                data += step.chunk
        assert header is not None
        assert header.digest == digest_of(data)
        self.uploads[header.digest] += 1
        if len(data) > self.image_max_bytes:
            raise ImageTooLargeError(f"the image has {len(data)} bytes")
        if self.keeps_images:
            self.images[header.digest] = data
        return gen_pb.PutImageResponse(digest=header.digest, size_bytes=len(data))

    async def StreamExplanation(
        self, request: gen_pb.StreamExplanationRequest, context: object
    ) -> AsyncIterator[gen_pb.StreamExplanationResponse]:
        self.asked[request.request_id] += 1
        self.inlined += bool(request.image.data)
        self.concurrent[request.model] += 1
        self.most_concurrent[request.model] = max(
            self.concurrent[request.model], self.most_concurrent[request.model]
        )
        try:
            async for event in self._answer(request):
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.concurrent[request.model] -= 1

    async def _answer(
        self, request: gen_pb.StreamExplanationRequest
    ) -> AsyncIterator[gen_pb.StreamExplanationResponse]:
        if request.model not in self.revisions:
            raise ModelNotFoundError(f"no model {request.model}")
        if request.image.digest and request.image.digest not in self.images:
            raise ImageNotFoundError(f"no image {request.image.digest}")
        fault = self.fault(request, self.asked[request.request_id])
        if fault is not None and not fault.after_words:
            await asyncio.sleep(fault.delay_s)
            raise fault.error
        if request.instruction == self.deadly:
            await asyncio.sleep(self.delay_s / 2)
            died, self.died = self.died, asyncio.Event()
            died.set()
            raise EngineUnavailableError("the engine died")
        yield gen_pb.StreamExplanationResponse(text_delta=f"{request.model} says: ")
        if fault is not None:
            raise fault.error
        if await _set_within(self.died, self.delay_s):
            raise GenerationAbortedError("the engine died")
        yield gen_pb.StreamExplanationResponse(text_delta=request.instruction)
        yield gen_pb.StreamExplanationResponse(completion=self._completion(request))
        self.completed[request.request_id] += 1
        self.on_completed(sum(self.completed.values()))

    def _completion(self, request: gen_pb.StreamExplanationRequest) -> gen_pb.Completion:
        return gen_pb.Completion(
            request_id=request.request_id,
            finish_reason=gen_pb.FINISH_REASON_STOP,
            usage=gen_pb.TokenUsage(
                prompt_token_count=20, image_token_count=16, generated_token_count=7
            ),
            provenance=gen_pb.Provenance(
                model=request.model,
                revision=self.revisions[request.model],
                adapter=request.adapter,
                adapter_revision=self.adapter_revision if request.adapter else "",
                engine="scripted",
                engine_version="1",
                dtype="float32",
                sampling=request.sampling,
                image_digest=_digest(request.image) if request.HasField("image") else "",
                gpu_count=self.gpu_count,
                **self.identity,
            ),
            timings=self.timings,
        )


async def _set_within(event: asyncio.Event, delay_s: float) -> bool:
    try:
        async with asyncio.timeout(delay_s):
            return await event.wait()
    except TimeoutError:
        return False


def _digest(image: content_pb2.Image) -> str:
    return image.digest or digest_of(image.data)


@dataclass
class ScriptedScoring(score_grpc.ScoringServiceServicer):
    """Scores with the real metrics, and breaks on demand.

    Attributes:
        item_error: Says what goes wrong with the n-th attempt (from 1) at an item.
        lose_stream_after: Loses each of these streams (numbered from 1) after so many answers.
        signature_suffix: Appended to every signature, as another version would.
        gate: Closed, nothing is answered.
        answered: Answers by item id.
    """

    item_error: Callable[[str, int], ServiceError | None] = lambda item_id, attempt: None
    lose_stream_after: dict[int, tuple[int, ServiceError]] = field(default_factory=dict)
    signature_suffix: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    streams: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def ListMetrics(
        self, request: score_pb.ListMetricsRequest, context: object
    ) -> score_pb.ListMetricsResponse:
        return score_pb.ListMetricsResponse(
            metrics=[
                score_pb.Metric(
                    name=name,
                    signature=METRICS[name].sign(ScoringOptions()) + self.signature_suffix,
                    default=True,
                )
                for name in DEFAULT_METRICS
            ]
        )

    async def ScoreExplanations(
        self, request_iterator: AsyncIterator[score_pb.ScoreExplanationsRequest], context: object
    ) -> AsyncIterator[score_pb.ScoreExplanationsResponse]:
        self.streams += 1
        most, loss = self.lose_stream_after.get(self.streams, (None, None))
        count = 0
        async for request in request_iterator:
            if loss is not None and count == most:
                raise loss
            await self.gate.wait()
            self.asked[request.item_id] += 1
            yield self._score(request)
            count += 1

    def _score(
        self, request: score_pb.ScoreExplanationsRequest
    ) -> score_pb.ScoreExplanationsResponse:
        error = self.item_error(request.item_id, self.asked[request.item_id])
        answer = score_pb.ScoreExplanationsResponse(item_id=request.item_id)
        if error is not None:
            code = status_code_of(error).value[0]
            item_error = content_pb2.ItemError(
                code=code, reason=error.reason, message=error.message
            )
            answer.error.CopyFrom(item_error)
            return answer
        item = request.item
        for score in score_all(ScoringInput(item.candidate, item.reference, list(item.entities))):
            answer.scores.scores.append(
                score_pb.Score(
                    metric=score.metric,
                    value=score.value,
                    unscorable=(
                        score_pb.UnscorableReason.Value(
                            f"UNSCORABLE_REASON_{score.outcome.reason.value}"
                        )
                        if isinstance(score.outcome, Unscorable)
                        else None
                    ),
                    statistics=score.statistics,
                    signature=score.signature + self.signature_suffix,
                )
            )
        self.answered[request.item_id] += 1
        return answer


@contextlib.asynccontextmanager
async def serving(
    generation: gen_grpc.GenerationServiceServicer | None = None,
    scoring: score_grpc.ScoringServiceServicer | None = None,
    *,
    address: str = "127.0.0.1:0",
) -> AsyncIterator[Sequence[str]]:
    """Serves on free ports, or the first service where it was before; gives their addresses."""
    servers: list[RpcServer] = []
    if generation is not None:
        servers.append(
            RpcServer(
                address,
                [GENERATION_NAME],
                lambda server: gen_grpc.add_GenerationServiceServicer_to_server(generation, server),
            )
        )
    if scoring is not None:
        servers.append(
            RpcServer(
                "127.0.0.1:0",
                [SCORING_NAME],
                lambda server: score_grpc.add_ScoringServiceServicer_to_server(scoring, server),
            )
        )
    try:
        yield [f"127.0.0.1:{await server.start()}" for server in servers]
    finally:
        for server in servers:
            await server.stop(0)
