"""The generation service without gRPC: checks a request, admits it, sends it to a model."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from services.core.errors import (
    FieldViolation,
    InvalidRequestError,
    ModelFailedError,
    ModelLoadingError,
    ModelNotFoundError,
)
from services.generation.admission import Admission
from services.generation.catalog import Catalog, ModelSpec
from services.generation.domain import (
    EngineRequest,
    Explanation,
    ExplanationEvent,
    ExplanationRequest,
    ModelCondition,
    ModelInfo,
    ModelState,
)
from services.generation.image_check import ImageChecker
from services.generation.router import ModelRouter
from services.generation.sampling import fill_sampling, limit_violations

_UNKNOWN = ModelCondition(ModelState.LOADING, "the model is being deployed")


class ExplanationService:
    """What the servicer is a skin over.

    Args:
        catalog: The models that are served.
        router: Reaches them.
        images: Checks pictures.
        admission: Bounds what is in flight.
    """

    def __init__(
        self, catalog: Catalog, router: ModelRouter, images: ImageChecker, admission: Admission
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._images = images
        self._admission = admission
        self._conditions: Mapping[str, ModelCondition] = {}

    async def explain(self, request: ExplanationRequest, timeout_s: float | None) -> Explanation:
        """Generates an explanation; see the proto for the errors."""
        spec, prepared = self._prepare(request)
        with self._admission.admit(spec, _image_bytes(request)):
            await self._check_image(request)
            return await self._router.explain(spec.name, prepared, timeout_s)

    async def stream(
        self, request: ExplanationRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas, then the completion; see the proto for the errors."""
        spec, prepared = self._prepare(request)
        with self._admission.admit(spec, _image_bytes(request)):
            await self._check_image(request)
            async with aclosing(self._router.stream(spec.name, prepared, timeout_s)) as events:
                async for event in events:
                    yield event

    def models(self) -> list[ModelInfo]:
        """Lists the catalog, sorted by name, with states as of the last refresh."""
        return [self._info(spec) for spec in self._catalog]

    def model(self, name: str) -> ModelInfo:
        """Gets one model, with its state as of the last refresh.

        Raises:
            ModelNotFoundError: There is none of that name.
        """
        return self._info(self._spec(name))

    async def refresh(self) -> Mapping[str, ModelCondition]:
        """Asks how the models are; calls are judged by the answer until the next refresh."""
        self._conditions = await self._router.conditions()
        return {spec.name: self._condition(spec) for spec in self._catalog}

    def _spec(self, name: str) -> ModelSpec:
        if name not in self._catalog:
            raise ModelNotFoundError(
                f"no model named {name!r}; there are {', '.join(self._catalog.names)}", model=name
            )
        return self._catalog.get(name)

    def _condition(self, spec: ModelSpec) -> ModelCondition:
        return self._conditions.get(spec.name, _UNKNOWN)

    def _info(self, spec: ModelSpec) -> ModelInfo:
        return ModelInfo(
            name=spec.name,
            source=spec.source_label,
            engine=spec.engine,
            max_context_token_count=spec.max_model_len,
            condition=self._condition(spec),
        )

    def _prepare(self, request: ExplanationRequest) -> tuple[ModelSpec, EngineRequest]:
        """Finds out what is wrong with a request, but for its image, before any model sees it."""
        spec = self._spec(request.model)
        if request.adapter:
            raise ModelNotFoundError(
                f"model {spec.name} has no adapter named {request.adapter!r}",
                model=spec.name,
                adapter=request.adapter,
            )
        sampling = fill_sampling(request.sampling, spec.sampling.filled())
        violations = limit_violations(sampling)
        if violations:
            raise _invalid(violations)
        self._check_callable(spec)
        prepared = EngineRequest(
            request_id=request.request_id,
            image=request.image,
            instruction=request.instruction,
            system_text=request.system_text,
            sampling=sampling,
        )
        return spec, prepared

    async def _check_image(self, request: ExplanationRequest) -> None:
        # Within the admission: pictures that wait for their check hold memory too.
        if request.image is not None:
            await self._images.check(request.image)

    def _check_callable(self, spec: ModelSpec) -> None:
        condition = self._condition(spec)
        if condition.state is ModelState.LOADING:
            raise ModelLoadingError(f"model {spec.name} is being loaded", model=spec.name)
        if condition.state is ModelState.FAILED:
            raise ModelFailedError(
                f"model {spec.name} could not be loaded: {condition.reason}",
                model=spec.name,
                cause=condition.reason,
            )


def _image_bytes(request: ExplanationRequest) -> int:
    return len(request.image.data) if request.image is not None else 0


def _invalid(violations: list[FieldViolation]) -> InvalidRequestError:
    first = violations[0]
    return InvalidRequestError(f"{first.field} {first.description}", violations=tuple(violations))
