"""Runs one model's generations around its engine: watchdog, coalesced deltas, provenance."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextvars import Context
from dataclasses import replace

from services.core.errors import DeadlineExceededError, EngineUnavailableError
from services.generation.catalog import ModelSpec
from services.generation.configuration import engine_digest
from services.generation.domain import (
    Completion,
    EngineRequest,
    EngineResult,
    Explanation,
    ExplanationEvent,
    Provenance,
    TextDelta,
)
from services.generation.engine import Engine
from services.generation.engine_call import EngineCall
from services.generation.engine_watch import EngineWatch, GenerationLimits
from services.generation.failure_log import FailureLog
from services.generation.traced_generation import traced_generation
from services.generation.weights import adapter_revision


class ModelRunner:
    """What a replica does, without Ray.

    Args:
        spec: The model's catalog entry.
        engine: Its engine; the runner starts and stops it.
        delta_interval_s: Least time between two text deltas; the first is passed on at once.
        limits: When the watchdog steps in.
    """

    def __init__(
        self,
        spec: ModelSpec,
        engine: Engine,
        *,
        delta_interval_s: float,
        limits: GenerationLimits | None = None,
    ) -> None:
        self._spec = spec
        self._engine = engine
        self._delta_interval_s = delta_interval_s
        self._limits = limits or GenerationLimits()
        self._chat_template_digest = spec.chat_template_digest
        self._engine_digest = engine_digest(spec)
        self._adapter_revisions: dict[str, str] = {}
        self._watch = EngineWatch(
            # A silent endpoint would be as silent to another replica; its engine gives up itself.
            stall_s=math.inf if spec.engine == "openai" else spec.stall_s,
            release_s=self._limits.release_s,
        )
        self._failures = FailureLog()
        self._question: asyncio.Task[None] | None = None

    @property
    def revision(self) -> str:
        """Revision of the weights that run."""
        return self._engine.revision

    @property
    def adapter_revisions(self) -> dict[str, str]:
        """Revision of each adapter by name; known once started."""
        return self._adapter_revisions

    async def start(self) -> None:
        """Loads the model; ModelFailedError says why it cannot be."""
        await self._engine.start()
        for name, place in sorted(self._spec.adapters.items()):
            self._adapter_revisions[name] = await asyncio.to_thread(adapter_revision, place)

    def stop(self) -> None:
        """Ends the engine."""
        self._engine.stop()

    async def check_health(self) -> None:
        """Raises EngineUnavailableError if the engine must be replaced.

        It must if it is lost, if it has produced nothing for anybody for the model's ``stall_s``
        while it had work, or if it does not let go of what it was told to end. Generations that
        still get tokens go on meanwhile.
        """
        self._check_watch()
        if self._watch.is_suspect and (self._question is None or self._question.done()):
            self._question = asyncio.create_task(self._ask_for_a_sign())
        await self._engine.check_health()

    def running_count(self) -> int:
        """Counts the generations that the engine runs or queues now."""
        return self._engine.running_count()

    async def explain(self, request: EngineRequest, timeout_s: float | None) -> Explanation:
        """Generates a whole explanation; arguments and errors as in stream."""
        with traced_generation(self._spec, request, self._failures) as traced:
            async with self._call(request, timeout_s, traced.context()) as call:
                await call.end()
                result = call.result()
                traced.note(result)
                return Explanation(call.take(), self._complete(request, result))

    async def stream(
        self, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields text deltas as they come, then the completion.

        The generation ends at its deadline even if nobody reads on or the engine does not listen,
        and at once if the iterator is closed. Text that a slow reader has not taken is merged, so
        it never piles up.

        Args:
            request: What to generate.
            timeout_s: Seconds until the caller's deadline; None for no deadline.

        Raises:
            DeadlineExceededError: The deadline passed.
            EngineUnavailableError: The engine was lost, or hung, before the first token.
            GenerationAbortedError: The same after that.
            CallerError: The request can never succeed.
        """
        with traced_generation(self._spec, request, self._failures) as traced:
            async with self._call(request, timeout_s, traced.context()) as call:
                while not call.is_over:
                    await call.news()
                    if text := call.take():
                        yield TextDelta(text)
                        await call.end(within_s=self._delta_interval_s)
                result = call.result()
                traced.note(result)
                if text := call.take():
                    yield TextDelta(text)
                yield self._complete(request, result)

    def _call(
        self, request: EngineRequest, timeout_s: float | None, context: Context | None = None
    ) -> EngineCall:
        self._check_watch()
        too_late = DeadlineExceededError("the call's deadline passed during generation")
        if timeout_s is None:
            timeout_s = self._limits.timeout_s
            too_late = DeadlineExceededError(
                f"the generation took longer than {timeout_s:g} s, the most without a deadline; "
                "set one that is long enough",
                generation_timeout_s=f"{timeout_s:g}",
            )
        elif timeout_s <= 0:
            raise too_late
        return EngineCall(
            self._spec.name,
            self._engine.generate(replace(request, timeout_s=timeout_s)),
            self._watch,
            timeout_s=timeout_s,
            too_late=too_late,
            context=context,
        )

    def _check_watch(self) -> None:
        if complaint := self._watch.complaint():
            raise EngineUnavailableError(
                f"the engine of {self._spec.name} {complaint} and is being replaced",
                model=self._spec.name,
            )

    async def _ask_for_a_sign(self) -> None:
        """Asks for a token; the watch hears it, or finds that the engine hangs."""
        sampling = replace(self._spec.sampling.filled(), max_tokens=1, min_tokens=0, seed=0)
        request = EngineRequest("", None, "Hello.", "", sampling)
        async with self._call(request, None) as call:
            await call.end()

    def _complete(self, request: EngineRequest, result: EngineResult) -> Completion:
        return Completion(
            request_id=request.request_id,
            finish_reason=result.finish_reason,
            usage=result.usage,
            timings=result.timings,
            provenance=Provenance(
                model=self._spec.name,
                revision=result.revision or self._engine.revision,
                adapter=request.adapter,
                engine=self._spec.engine,
                engine_version=result.engine_version or self._engine.version,
                dtype=self._engine.dtype,
                quantization=self._spec.quantization or "",
                sampling=result.sampling,
                image_digest=request.image.digest if request.image is not None else "",
                chat_template_digest=self._chat_template_digest,
                gpu_count=self._spec.num_gpus,
                configuration_digest=self._engine_digest,
                adapter_revision=self._adapter_revisions.get(request.adapter, ""),
            ),
        )
