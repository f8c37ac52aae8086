"""The generation service without gRPC: checks a request, admits it, sends it to a model."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from services.core.errors import (
    DeadlineExceededError,
    FieldViolation,
    GenerationAbortedError,
    InvalidRequestError,
    UnsupportedParameterError,
)
from services.generation.admission import Admission
from services.generation.capabilities import unsupported_fields
from services.generation.catalog import Catalog, ModelSpec
from services.generation.domain import (
    EngineRequest,
    Explanation,
    ExplanationEvent,
    ExplanationRequest,
    Image,
    ModelCondition,
    ModelInfo,
    TextDelta,
)
from services.generation.explanation_job import Job
from services.generation.front_metrics import FrontMetrics
from services.generation.image_check import ImageChecker
from services.generation.image_store import ImageStore
from services.generation.images import ImageLimits
from services.generation.replay import Replays, key_of
from services.generation.router import ModelRouter, never_unanswered
from services.generation.sampling import fill_sampling, limit_violations
from services.generation.served_models import ServedModels
from services.generation.shared_generation import SharedGeneration, WhenOver
from services.telemetry.instruments import Metrics


@dataclass(frozen=True, slots=True)
class ImageShelf:
    """Where pictures are found, and what finds out whether they can be decoded."""

    store: ImageStore
    checker: ImageChecker


class ExplanationService:
    """What the servicer is a skin over.

    Args:
        catalog: The models that are served.
        router: Reaches them.
        images: Finds and checks pictures.
        admission: Bounds what is in flight.
        replays: Remembers what named requests were answered with.
        metrics: Counts the generations; by default for nobody.
    """

    def __init__(
        self,
        catalog: Catalog,
        router: ModelRouter,
        images: ImageShelf,
        admission: Admission,
        replays: Replays,
        *,
        metrics: FrontMetrics | None = None,
    ) -> None:
        self._models = ServedModels(catalog)
        self._router = router
        self._images = images
        self._admission = admission
        self._replays = replays
        self._metrics = metrics or FrontMetrics(Metrics())
        self._metrics.use_models(catalog.names)

    async def explain(
        self, request: ExplanationRequest, timeout_s: float | None, client: str = ""
    ) -> Explanation:
        """Generates an explanation; see the proto for the errors."""
        job = self._job(request, timeout_s, client)
        del request  # its picture may be a copy of one that is held already
        if not job.request.is_named:
            return await self._whole(job)
        while True:
            found, is_ours = self._join(job, self._whole_into)
            if isinstance(found, Explanation):
                return found
            try:
                return await found.result()
            except DeadlineExceededError:
                # The deadline of whoever called first ended it, and ours is later: begin anew.
                if is_ours:
                    raise

    async def stream(
        self, request: ExplanationRequest, timeout_s: float | None, client: str = ""
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas, then the completion; see the proto for the errors."""
        job = self._job(request, timeout_s, client)
        del request
        while True:
            found, is_ours = self._join(job, self._stream_into)
            has_begun = False
            try:
                async with aclosing(_events(found)) as events:
                    async for event in events:
                        has_begun = True
                        yield event
            except DeadlineExceededError as error:
                if is_ours:
                    raise
                if has_begun:
                    raise GenerationAbortedError(
                        "the generation ended at the deadline of the call that began it; "
                        "send the request again"
                    ) from error
            else:
                return

    def models(self) -> list[ModelInfo]:
        """Lists the catalog, sorted by name, with states as of the last refresh."""
        return self._models.infos()

    def served(self) -> list[tuple[ModelSpec, ModelCondition]]:
        """Lists the catalog's entries, each with how the model was at the last refresh."""
        return self._models.served()

    def model(self, name: str) -> ModelInfo:
        """Gets one model, with its state as of the last refresh.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self._models.info(name)

    def use_catalog(self, catalog: Catalog) -> None:
        """Serves other models from now on; calls in flight are not touched."""
        self._models.use_catalog(catalog)
        self._admission.use_catalog(catalog)
        self._metrics.use_models(catalog.names)

    async def refresh(self) -> Mapping[str, ModelCondition]:
        """Asks how the models are; calls are judged by the answer until the next refresh."""
        self._models.note(await self._router.conditions())
        conditions = self._models.conditions()
        self._admission.adjust(conditions)
        self._metrics.refreshed(conditions, lambda model: self._admission.queue(model).is_busy)
        return conditions

    def _job(self, request: ExplanationRequest, timeout_s: float | None, client: str) -> Job:
        """Finds out what is wrong with a request, but for its image, before any model sees it."""
        arrived = time.monotonic()
        spec = self._models.spec(request.model, request.adapter)
        unsupported = unsupported_fields(spec, request.sampling)
        if unsupported:
            raise _refusal(UnsupportedParameterError, unsupported)
        sampling = fill_sampling(request.sampling, spec.sampling.filled())
        violations = [*limit_violations(sampling), *_missing_image(spec, request)]
        if violations:
            raise _refusal(InvalidRequestError, violations)
        if isinstance(request.image, Image):
            request = replace(request, image=self._images.store.known(request.image))
        return Job(spec, request, sampling, client, arrived, timeout_s)

    def _join(
        self, job: Job, work: Callable[[Job, SharedGeneration], Coroutine[None, None, None]]
    ) -> tuple[SharedGeneration | Explanation, bool]:
        """Finds a request's result or generation, or begins it; says whether it was begun here."""

        def begin(when_over: WhenOver) -> SharedGeneration:
            return SharedGeneration(partial(work, job), when_over)

        if not job.request.is_named:
            return begin(lambda _: None), True
        key = key_of(job.request, job.client)
        found = self._replays.find(key)
        if found is not None:
            return found, False
        return self._replays.start(key, begin), True

    async def _whole(self, job: Job) -> Explanation:
        with self._metrics.generation(job) as watch:
            async with self._admitted(job) as request:
                watch.sent = time.monotonic()
                with never_unanswered(job.model, lambda: False):
                    answer = await self._router.explain(job.model, request, job.left_s)
        completion = job.completed(answer.completion, watch.sent)
        watch.answered(completion, len(answer.text))
        return replace(answer, completion=completion)

    async def _whole_into(self, job: Job, generation: SharedGeneration) -> None:
        answer = await self._whole(job)
        if answer.text:
            generation.add(TextDelta(answer.text))
        generation.add(answer.completion)

    async def _stream_into(self, job: Job, generation: SharedGeneration) -> None:
        with self._metrics.generation(job, lambda: generation.text_chars) as watch:
            async with self._admitted(job) as request:
                watch.sent = time.monotonic()
                answering = self._router.stream(job.model, request, job.left_s)
                with never_unanswered(job.model, lambda: generation.has_begun):
                    async with aclosing(answering) as events:
                        async for event in events:
                            if isinstance(event, TextDelta):
                                generation.add(event)
                                continue
                            completion = job.completed(event, watch.sent)
                            watch.answered(completion, generation.text_chars)
                            generation.add(completion)

    @asynccontextmanager
    async def _admitted(self, job: Job) -> AsyncIterator[EngineRequest]:
        """Holds a request's picture and its place at a replica."""
        self._models.check_callable(job.spec)
        self._metrics.called(job.model)
        asked, place = job.request.image, self._admission.place(job.spec, job.ticket)
        if asked is None:
            async with place:
                yield job.engine_request(None)
            return
        async with self._images.store.use(asked, job.request.lane) as image, place:
            # With a place: pictures that wait for their check hold memory too.
            await self._images.checker.check(image, _model_limits(job.spec))
            self._images.store.approve(image)
            yield job.engine_request(image)


async def _events(
    found: SharedGeneration | Explanation,
) -> AsyncGenerator[ExplanationEvent, None]:
    if isinstance(found, SharedGeneration):
        async with aclosing(found.events()) as events:
            async for event in events:
                yield event
        return
    if found.text:
        yield TextDelta(found.text)
    yield found.completion


def _missing_image(spec: ModelSpec, request: ExplanationRequest) -> list[FieldViolation]:
    if request.image is not None or not spec.image.required:
        return []
    return [FieldViolation("image", f"is required: model {spec.name} does not answer without one")]


def _model_limits(spec: ModelSpec) -> ImageLimits:
    own = spec.image
    return ImageLimits(own.max_bytes, own.max_pixels, own.max_aspect_ratio)


def _refusal(
    kind: type[InvalidRequestError], violations: list[FieldViolation]
) -> InvalidRequestError:
    first = violations[0]
    return kind(f"{first.field} {first.description}", violations=tuple(violations))
