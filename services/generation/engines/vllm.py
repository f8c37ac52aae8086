"""vLLM's asynchronous engine, on a GPU or a CPU. Only the modules vllm* import vLLM."""

import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path

import vllm
from vllm import AsyncEngineArgs, RequestOutput
from vllm.exceptions import VLLMClientError
from vllm.lora.request import LoRARequest
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

from services.core.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    ModelFailedError,
    ModelNotFoundError,
)
from services.generation.adapters import adapter_failure, locate_adapters
from services.generation.catalog import ModelSpec
from services.generation.context import fit_to_context
from services.generation.domain import (
    EngineRequest,
    EngineResult,
    FinishReason,
    Sampling,
    Timings,
    TokenUsage,
)
from services.generation.engines.vllm_arguments import (
    engine_arguments,
    lora_requests,
    priority,
    sampling_parameters,
)
from services.generation.engines.vllm_metrics import stat_loggers
from services.generation.engines.vllm_prompt import PromptRenderer, RenderedPrompt
from services.generation.messages import one_line
from services.generation.weights import folder_revision, hub_commit

# How vLLM ends a generation whose picture it has dropped; asked again it takes the pixels.
_ERROR = "error"


class VllmEngine:
    """Runs one model in vLLM; generations are batched by vLLM itself."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._llm: AsyncLLM | None = None
        self._prompts: PromptRenderer | None = None
        self._loras: Mapping[str, LoRARequest] = {}
        self._revision = ""

    @property
    def version(self) -> str:
        """Version of vLLM."""
        return str(vllm.__version__)

    @property
    def revision(self) -> str:
        """The hub's commit, or the digest of a folder."""
        return self._revision

    @property
    def dtype(self) -> str:
        """What vLLM made of the catalog's dtype, such as float32."""
        return str(self._started()[0].model_config.dtype).removeprefix("torch.")

    async def start(self) -> None:
        """Loads the model and its adapters; the event loop stands still meanwhile."""
        try:
            await self._load()
        except ModelFailedError:
            self.stop()
            raise
        except Exception as error:
            # vLLM's loaders raise anything; whoever waits for the model needs one line.
            self.stop()
            raise ModelFailedError(
                f"vLLM cannot load {self._spec.weights}: {one_line(error)}"
            ) from error

    async def _load(self) -> None:
        source = self._spec.source
        if source.folder is not None:
            self._revision = folder_revision(Path(source.folder))
        adapters = locate_adapters(self._spec)
        arguments = AsyncEngineArgs(**engine_arguments(self._spec, adapters))
        self._llm = AsyncLLM.from_engine_args(arguments, stat_loggers=stat_loggers())
        if source.hub is not None:
            self._revision = hub_commit(source.hub, source.revision)
        self._prompts = PromptRenderer(self._llm.renderer, self._spec.chat_template)
        await self._prompts.prepare()
        self._loras = lora_requests(adapters)
        for name, lora in self._loras.items():
            try:
                await self._llm.add_lora(lora)
            except Exception as error:
                raise adapter_failure(name, error) from error

    def stop(self) -> None:
        """Ends vLLM's processes."""
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields text as vLLM produces it, then the result."""
        arrival = time.monotonic()
        lora = self._lora(request.adapter)
        _, prompts = self._started()
        try:
            prompt = await prompts.render(request)
            sampling = fit_to_context(self._spec, request.sampling, prompt.token_count)
            outputs = self._outputs(request, prompt, sampling, lora)
            generated = 0
            async with aclosing(outputs):
                async for output in outputs:
                    piece = output.outputs[0]
                    generated += len(piece.token_ids)
                    if piece.text:
                        yield piece.text
                    if output.finished:
                        yield EngineResult(
                            finish_reason=_finish_reason(piece.finish_reason),
                            usage=TokenUsage(
                                prompt.token_count, prompt.image_token_count, generated
                            ),
                            timings=_timings(output, arrival),
                            sampling=sampling,
                        )
        except VLLMClientError as error:
            raise InvalidRequestError(
                f"the model refuses the request: {one_line(error)}"
            ) from error
        except EngineDeadError as error:
            raise EngineUnavailableError(f"the engine of {self._spec.name} died") from error
        except EngineGenerateError as error:
            raise EngineUnavailableError(
                f"the engine of {self._spec.name} failed to generate"
            ) from error

    async def check_health(self) -> None:
        """Asks vLLM whether its core is alive."""
        try:
            await self._started()[0].check_health()
        except EngineDeadError as error:
            raise EngineUnavailableError(f"the engine of {self._spec.name} died") from error

    def running_count(self) -> int:
        """Counts what vLLM has not finished yet."""
        return 0 if self._llm is None else int(self._llm.get_num_unfinished_requests())

    def _started(self) -> tuple[AsyncLLM, PromptRenderer]:
        if self._llm is None or self._prompts is None:
            raise EngineUnavailableError(f"the engine of {self._spec.name} is not started")
        return self._llm, self._prompts

    def _lora(self, adapter: str) -> LoRARequest | None:
        if not adapter:
            return None
        if adapter not in self._loras:
            raise ModelNotFoundError(
                f"model {self._spec.name} has no adapter named {adapter!r}",
                model=self._spec.name,
                adapter=adapter,
            )
        return self._loras[adapter]

    async def _outputs(
        self,
        request: EngineRequest,
        prompt: RenderedPrompt,
        sampling: Sampling,
        lora: LoRARequest | None,
    ) -> AsyncGenerator[RequestOutput]:
        """Runs the request in vLLM, a second time if vLLM's core has dropped its picture."""
        llm, prompts = self._started()

        def attempt(content: dict[str, object]) -> AsyncGenerator[RequestOutput]:
            # vLLM wants ids that are unique among those in flight; callers may repeat theirs.
            outputs: AsyncGenerator[RequestOutput] = llm.generate(
                content,
                sampling_parameters(sampling),
                uuid.uuid4().hex,
                lora_request=lora,
                priority=priority(request.lane),
            )
            return outputs

        has_begun = request.image is None
        async with aclosing(attempt(prompt.content)) as outputs:
            async for output in outputs:
                if not has_begun and output.outputs[0].finish_reason == _ERROR:
                    break
                has_begun = True
                yield output
        if has_begun or request.image is None:
            return
        prompts.forget(request.image)
        again = await prompts.render(request)
        async with aclosing(attempt(again.content)) as outputs:
            async for output in outputs:
                yield output


def _finish_reason(reason: str | None) -> FinishReason:
    if reason == "stop":
        return FinishReason.STOP
    if reason == "length":
        return FinishReason.LENGTH
    raise EngineUnavailableError(f"the engine gave up on the request: {reason}")


def _timings(output: RequestOutput, arrival: float) -> Timings:
    # Stamps of vLLM's core and our arrival are read from the same system-wide monotonic clock.
    stamps = output.metrics
    if stamps is None:
        return Timings(0.0, 0.0, time.monotonic() - arrival)
    return Timings(
        queue_s=max(0.0, stamps.scheduled_ts - arrival),
        prefill_s=max(0.0, stamps.first_token_ts - stamps.scheduled_ts),
        decode_s=max(0.0, stamps.last_token_ts - stamps.first_token_ts),
    )
