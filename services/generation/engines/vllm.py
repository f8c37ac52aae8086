"""vLLM's asynchronous engine, on a GPU or a CPU. The only module that imports vLLM."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import vllm
from huggingface_hub import snapshot_download
from vllm import AsyncEngineArgs, RequestOutput, SamplingParams
from vllm.exceptions import VLLMClientError
from vllm.renderers import ChatParams, TokenizeParams
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

from services.core.errors import (
    EngineUnavailableError,
    FieldViolation,
    ImageInvalidError,
    InvalidRequestError,
    ModelFailedError,
    PromptTooLongError,
)
from services.generation.catalog import ModelSpec
from services.generation.domain import (
    EngineRequest,
    EngineResult,
    FinishReason,
    Image,
    Sampling,
    Timings,
    TokenUsage,
)
from services.generation.images import ImageLimits, decode_image
from services.generation.messages import one_line
from services.generation.weights import folder_revision

# The front has applied its limits already; whatever it let through is decoded here.
_NO_LIMITS = ImageLimits(max_bytes=2**62, max_pixels=2**62)

# An encoded picture of 6 KB may decode to 150 MB; this many are held decoded at a time.
_CONCURRENT_PICTURES = 2

# Without CUDA graphs, compilation and worker processes a laptop's engine starts in seconds.
_CPU_ARGUMENTS: dict[str, object] = {"enforce_eager": True, "distributed_executor_backend": "uni"}

_CHAT_PARAMETERS = ChatParams(chat_template_kwargs={"add_generation_prompt": True})
# The chat template writes the special tokens itself; length is checked here, with a better message.
_TOKENIZE_PARAMETERS = TokenizeParams(max_total_tokens=None, add_special_tokens=False)


class VllmEngine:
    """Runs one model in vLLM; generations are batched by vLLM itself."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._llm: AsyncLLM | None = None
        self._revision = ""
        self._pictures = asyncio.Semaphore(_CONCURRENT_PICTURES)

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
        return str(self._started().model_config.dtype).removeprefix("torch.")

    async def start(self) -> None:
        """Loads the model; the event loop stands still meanwhile."""
        try:
            if self._spec.source.folder is not None:
                self._revision = folder_revision(Path(self._spec.source.folder))
            arguments = AsyncEngineArgs(**_engine_arguments(self._spec))
            self._llm = AsyncLLM.from_engine_args(arguments)
            if self._spec.source.hub is not None:
                self._revision = _hub_commit(self._spec)
        except ModelFailedError:
            raise
        except Exception as error:
            # vLLM's loaders raise anything; whoever waits for the model needs one line.
            raise ModelFailedError(
                f"vLLM cannot load {self._spec.weights}: {one_line(error)}"
            ) from error

    def stop(self) -> None:
        """Ends vLLM's processes."""
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields text as vLLM produces it, then the result."""
        llm = self._started()
        arrival = time.monotonic()
        try:
            prompt, usage = await self._render(llm, request)
            sampling = self._fit(request.sampling, usage)
            # vLLM wants ids that are unique among those in flight; callers may repeat theirs.
            outputs = llm.generate(prompt, _parameters(sampling), uuid.uuid4().hex)
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
                            usage=TokenUsage(*usage, generated),
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
            await self._started().check_health()
        except EngineDeadError as error:
            raise EngineUnavailableError(f"the engine of {self._spec.name} died") from error

    def running_count(self) -> int:
        """Counts what vLLM has not finished yet."""
        return 0 if self._llm is None else int(self._llm.get_num_unfinished_requests())

    def _started(self) -> AsyncLLM:
        if self._llm is None:
            raise EngineUnavailableError(f"the engine of {self._spec.name} is not started")
        return self._llm

    async def _render(
        self, llm: AsyncLLM, request: EngineRequest
    ) -> tuple[dict[str, object], tuple[int, int]]:
        """Applies the chat template; counts the prompt's tokens and the image's among them."""
        messages: list[dict[str, object]] = []
        if request.system_text:
            messages.append({"role": "system", "content": request.system_text})
        text_part: dict[str, object] = {"type": "text", "text": request.instruction}
        if request.image is None:
            messages.append({"role": "user", "content": [text_part]})
            return await _apply_template(llm, messages, has_image=False)
        async with self._pictures:
            # Large pictures take a while, and the loop serves all other streams.
            image_part = await asyncio.to_thread(_image_part, request.image)
            messages.append({"role": "user", "content": [image_part, text_part]})
            return await _apply_template(llm, messages, has_image=True)

    def _fit(self, sampling: Sampling, usage: tuple[int, int]) -> Sampling:
        """Cuts max_tokens to what the context leaves."""
        prompt_tokens, context = usage[0], self._spec.max_model_len
        if prompt_tokens >= context:
            raise PromptTooLongError(
                f"prompt and image take {prompt_tokens} tokens; "
                f"model {self._spec.name} holds {context} with the answer",
                prompt_token_count=str(prompt_tokens),
                max_context_token_count=str(context),
            )
        room = context - prompt_tokens
        return replace(
            sampling,
            max_tokens=min(sampling.max_tokens, room),
            min_tokens=min(sampling.min_tokens, room),
        )


def _engine_arguments(spec: ModelSpec) -> dict[str, object]:
    return {
        **(_CPU_ARGUMENTS if spec.runs_on_cpu else {}),
        "limit_mm_per_prompt": {"image": 1},
        **spec.engine_arguments,
        "model": spec.weights,
        "revision": spec.source.revision if spec.source.hub is not None else None,
        "dtype": spec.dtype,
        "quantization": spec.quantization,
        "max_model_len": spec.max_model_len,
        "trust_remote_code": spec.trust_remote_code,
        "disable_log_stats": False,
    }


async def _apply_template(
    llm: AsyncLLM, messages: list[dict[str, object]], *, has_image: bool
) -> tuple[dict[str, object], tuple[int, int]]:
    try:
        _, (prompt,) = await llm.renderer.render_chat_async(
            [messages], _CHAT_PARAMETERS, _TOKENIZE_PARAMETERS
        )
    except VLLMClientError:
        raise
    except ValueError as error:
        # What processors raise may quote the prompt, so it stays out of the answer.
        if not has_image:
            raise InvalidRequestError("the model's chat template refuses the request") from error
        message = "the model's processor refuses the image, perhaps for its size or shape"
        violations = (FieldViolation("image.data", message),)
        raise ImageInvalidError(message, violations=violations) from error
    image_tokens = sum(
        place.get_num_embeds() for place in prompt.get("mm_placeholders", {}).get("image", ())
    )
    return prompt, (len(prompt["prompt_token_ids"]), image_tokens)


def _hub_commit(spec: ModelSpec) -> str:
    """Finds the commit that was loaded: the hub's cache names its folders after them."""
    folder = snapshot_download(spec.weights, revision=spec.source.revision, local_files_only=True)
    return Path(folder).name


def _image_part(image: Image) -> dict[str, object]:
    # The digest is vLLM's cache key: a picture asked about again is not encoded again.
    return {
        "type": "image_pil",
        "image_pil": decode_image(image.data, _NO_LIMITS),
        "uuid": image.digest,
    }


def _parameters(sampling: Sampling) -> SamplingParams:
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        min_tokens=sampling.min_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        seed=sampling.seed,
        stop=list(sampling.stop),
        repetition_penalty=sampling.repetition_penalty,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        output_kind=RequestOutputKind.DELTA,
    )


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
