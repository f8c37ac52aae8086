"""An engine without a model: deterministic text at a set pace, for tests and load tests."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

from services.core.digests import PREFIX
from services.core.errors import EngineUnavailableError, ModelFailedError
from services.generation.catalog import ModelSpec
from services.generation.context import fit_to_context
from services.generation.domain import EngineRequest, EngineResult, Sampling, Timings, TokenUsage
from services.generation.engines.scripted_faults import FaultScript
from services.generation.engines.scripted_text import cut, words

VERSION = "1"
# What one picture counts as; real models take from tens to thousands of tokens.
IMAGE_TOKEN_COUNT = 16
# Words between which nobody else gets the event loop, where the script sets no pace.
_WORDS_A_TURN = 64


class ScriptedEngine:
    """Answers with words that depend on the request's content alone, never on its id.

    The same model, prompt, picture and sampling give the same text in any process; one word is
    one token. The answer ends by itself only where ``max_tokens`` or a stop text ends it. What
    goes wrong is written in the entry, see :class:`services.generation.catalog.ScriptedSpec`.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._script = spec.scripted
        self._faults = FaultScript(spec, lambda: self._stopped)
        self._running = 0
        self._ended = 0
        self._stopped = False
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
        """Waits as long as the script says that loading takes, and fails if it says so."""
        await asyncio.sleep(self._script.load_s)
        if self._script.load_error:
            raise ModelFailedError(self._script.load_error)

    def stop(self) -> None:
        """Ends what hangs stubbornly; holds nothing else."""
        self._stopped = True

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields a word at a time at the script's pace, then the result."""
        usage, sampling = self._fit(request)
        self._running += 1
        try:
            fault = self._faults.choose(request)
            started = time.monotonic()
            await asyncio.sleep(self._script.first_token_s)
            first = time.monotonic()
            pieces, finish = cut(
                list(words(self._spec.name, request, sampling.max_tokens)), sampling.stop
            )
            # Without a pace, and with nothing that goes wrong midway, many words make one turn.
            a_turn = 1 if self._script.per_token_s or fault is not None else _WORDS_A_TURN
            for index, piece in enumerate(pieces):
                if index and not index % a_turn:
                    await asyncio.sleep(self._script.per_token_s)
                if fault is not None and index == fault.after_tokens:
                    await self._faults.play(fault)
                yield piece
            if fault is not None and fault.after_tokens == len(pieces):
                await self._faults.play(fault)
            yield EngineResult(
                finish_reason=finish,
                usage=replace(usage, generated_token_count=len(pieces)),
                timings=Timings(0.0, first - started, time.monotonic() - first),
                sampling=sampling,
            )
        finally:
            self._running -= 1
            self._ended += 1

    async def check_health(self) -> None:
        """Is well until the script says otherwise."""
        limit = self._script.unhealthy_after
        if limit is not None and self._ended >= limit:
            raise EngineUnavailableError(f"the script of {self._spec.name} says that it is unwell")

    def running_count(self) -> int:
        """Counts the generations in flight."""
        return self._running

    def _fit(self, request: EngineRequest) -> tuple[TokenUsage, Sampling]:
        """Counts the prompt, and cuts max_tokens to what the context leaves."""
        image_tokens = IMAGE_TOKEN_COUNT if request.image is not None else 0
        prompt_tokens = image_tokens + len(f"{request.system_text} {request.instruction}".split())
        sampling = fit_to_context(self._spec, request.sampling, prompt_tokens)
        return TokenUsage(prompt_tokens, image_tokens, 0), sampling
