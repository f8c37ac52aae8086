"""An engine without a model: deterministic text at a set pace, for tests and load tests."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace

from services.core.digests import PREFIX
from services.core.errors import PromptTooLongError
from services.generation.catalog import ModelSpec
from services.generation.domain import (
    EngineRequest,
    EngineResult,
    FinishReason,
    Timings,
    TokenUsage,
)

VERSION = "1"
# What one picture counts as; real models take from tens to thousands of tokens.
IMAGE_TOKEN_COUNT = 16

_VOCABULARY = (
    "abstract angle arc balance black blue bold calm canvas centre circle clear colour composition "
    "contrast cross curve depth diagonal edge field flat form geometric gold green grid harmony "
    "layer light line motion open order orange pale panel plane point pure quiet red rhythm round "
    "shape sharp square still strong surface tension tone triangle upright vertical warm white"
)
_WORDS = tuple(_VOCABULARY.split())


class ScriptedEngine:
    """Answers with words that depend on the request's content alone, never on its id.

    The same model, prompt, picture and sampling give the same text in any process; one word is
    one token. The answer ends by itself only where ``max_tokens`` or a stop text ends it.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._script = spec.scripted
        self._running = 0
        seed = hashlib.sha256(f"{spec.name}/{VERSION}".encode()).hexdigest()
        self._revision = PREFIX + seed

    @property
    def version(self) -> str:
        """Version of the script: text changes only with it."""
        return VERSION

    @property
    def revision(self) -> str:
        """Stands for weights: names the model and the script's version."""
        return self._revision

    @property
    def dtype(self) -> str:
        """There are no numbers."""
        return "none"

    async def start(self) -> None:
        """Waits as long as the script says that loading takes."""
        await asyncio.sleep(self._script.load_s)

    def stop(self) -> None:
        """Holds nothing."""

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields a word at a time at the script's pace, then the result."""
        image_tokens = IMAGE_TOKEN_COUNT if request.image is not None else 0
        prompt_tokens = image_tokens + len(f"{request.system_text} {request.instruction}".split())
        if prompt_tokens >= self._spec.max_model_len:
            raise PromptTooLongError(
                f"prompt and image take {prompt_tokens} tokens; "
                f"model {self._spec.name} holds {self._spec.max_model_len} with the answer",
                prompt_token_count=str(prompt_tokens),
                max_context_token_count=str(self._spec.max_model_len),
            )
        room = self._spec.max_model_len - prompt_tokens
        sampling = replace(
            request.sampling,
            max_tokens=min(request.sampling.max_tokens, room),
            min_tokens=min(request.sampling.min_tokens, room),
        )
        self._running += 1
        try:
            started = time.monotonic()
            await asyncio.sleep(self._script.first_token_s)
            first = time.monotonic()
            pieces, finish = _cut(
                list(_words(self._spec.name, request, sampling.max_tokens)), sampling.stop
            )
            for index, piece in enumerate(pieces):
                if index:
                    await asyncio.sleep(self._script.per_token_s)
                yield piece
            yield EngineResult(
                finish_reason=finish,
                usage=TokenUsage(prompt_tokens, image_tokens, len(pieces)),
                timings=Timings(0.0, first - started, time.monotonic() - first),
                sampling=sampling,
            )
        finally:
            self._running -= 1

    async def check_health(self) -> None:
        """Is always well."""

    def running_count(self) -> int:
        """Counts the generations in flight."""
        return self._running


def _words(model: str, request: EngineRequest, count: int) -> Iterator[str]:
    digest = request.image.digest if request.image is not None else ""
    # What only ends an answer leaves its words alone, as with a real model.
    sampling = replace(request.sampling, max_tokens=1, min_tokens=0, stop=())
    content = "\0".join([model, digest, request.system_text, request.instruction, repr(sampling)])
    for index in range(count):
        word = hashlib.sha256(f"{content}\0{index}".encode()).digest()
        yield ("" if index == 0 else " ") + _WORDS[int.from_bytes(word[:4]) % len(_WORDS)]


def _cut(pieces: list[str], stop: tuple[str, ...]) -> tuple[list[str], FinishReason]:
    """Drops what follows the first stop text, and that text itself."""
    text = "".join(pieces)
    cut = min((at for end in stop if (at := text.find(end)) >= 0), default=None)
    if cut is None:
        return pieces, FinishReason.LENGTH
    kept: list[str] = []
    for piece in pieces:
        if not (rest := text[:cut][sum(map(len, kept)) :]):
            break
        kept.append(piece[: len(rest)])
    return kept, FinishReason.STOP
