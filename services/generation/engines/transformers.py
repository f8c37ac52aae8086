"""transformers, for models that vLLM lacks: what waits is generated together, batch after batch.

Only the modules transformers* import transformers.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path

import transformers

from services.core.errors import EngineUnavailableError, ModelFailedError, ModelNotFoundError
from services.generation.catalog import ModelSpec
from services.generation.context import fit_to_context
from services.generation.domain import (
    EngineRequest,
    EngineResult,
    Sampling,
    Timings,
    TokenUsage,
)
from services.generation.engines.pictures import PictureDecoder
from services.generation.engines.transformers_arguments import transformers_arguments
from services.generation.engines.transformers_batch import (
    Answer,
    AnswerEnd,
    EncodedPrompt,
    News,
)
from services.generation.engines.transformers_model import TransformersModel
from services.generation.engines.waiting import WaitingRoom
from services.generation.messages import one_line
from services.generation.weights import folder_revision, hub_commit


class TransformersEngine:
    """Runs one model in transformers.

    Requests whose pictures are shaped alike and that use the same adapter are generated together;
    a batch runs to its end before the next begins.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._model: TransformersModel | None = None
        self._revision = ""
        self._fault = "is not started"
        self._running: set[Answer] = set()
        self._count = 0
        self._waiting: WaitingRoom[Answer] = WaitingRoom()
        self._pictures = PictureDecoder()
        # Tokenizers serve one caller at a time, and so does a model.
        self._encoding = ThreadPoolExecutor(1, "encode")
        self._generating = ThreadPoolExecutor(1, "generate")
        self._server: asyncio.Task[None] | None = None

    @property
    def version(self) -> str:
        """Version of transformers."""
        return str(transformers.__version__)

    @property
    def revision(self) -> str:
        """The hub's commit, or the digest of a folder."""
        return self._revision

    @property
    def dtype(self) -> str:
        """What transformers made of the catalog's dtype, such as float32."""
        return self._started().dtype

    async def start(self) -> None:
        """Loads the model and its adapters."""
        source = self._spec.source
        loop = asyncio.get_running_loop()
        try:
            arguments = transformers_arguments(self._spec)
            if source.folder is not None:
                self._revision = folder_revision(Path(source.folder))
            load = partial(TransformersModel, self._spec, arguments)
            model = await loop.run_in_executor(self._generating, load)
            if source.hub is not None:
                self._revision = hub_commit(source.hub, source.revision)
        except ModelFailedError:
            raise
        except Exception as error:
            # Loaders raise anything; whoever waits for the model needs one line.
            raise ModelFailedError(
                f"transformers cannot load {self._spec.weights}: {one_line(error)}"
            ) from error
        self._model = model
        self._fault = ""
        self._server = asyncio.create_task(
            self._serve(model, arguments.max_batch_size, arguments.batch_wait_s)
        )

    def stop(self) -> None:
        """Ends what is generated after its next token, and lets go of the weights."""
        if self._server is not None:
            self._server.cancel()
            self._server = None
        self._give_up("is stopped")
        self._encoding.shutdown(wait=False, cancel_futures=True)
        self._generating.shutdown(wait=False, cancel_futures=True)
        self._model = None

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields text as its batch produces it, then the result."""
        arrival = time.monotonic()
        model = self._started()
        if request.adapter and request.adapter not in self._spec.adapters:
            raise ModelNotFoundError(
                f"model {self._spec.name} has no adapter named {request.adapter!r}",
                model=self._spec.name,
                adapter=request.adapter,
            )
        self._count += 1
        try:
            prompt = await self._encode(model, request)
            sampling = fit_to_context(self._spec, request.sampling, len(prompt.token_ids))
            async with aclosing(self._news(request, prompt, sampling)) as heard:
                async for news in heard:
                    if isinstance(news, str):
                        yield news
                    else:
                        yield _result(news, prompt, sampling, arrival)
        finally:
            self._count -= 1

    async def check_health(self) -> None:
        """Fails once a fault has been found that a new process may cure."""
        self._started()

    def running_count(self) -> int:
        """Counts what is encoded, waits or runs."""
        return self._count

    def _started(self) -> TransformersModel:
        if self._model is None or self._fault:
            raise EngineUnavailableError(f"the engine of {self._spec.name} {self._fault}")
        return self._model

    async def _encode(self, model: TransformersModel, request: EngineRequest) -> EncodedPrompt:
        loop = asyncio.get_running_loop()
        if request.image is None:
            return await loop.run_in_executor(self._encoding, model.encode, request, None)
        async with self._pictures.decoded(request.image) as picture:
            return await loop.run_in_executor(self._encoding, model.encode, request, picture)

    async def _news(
        self, request: EngineRequest, prompt: EncodedPrompt, sampling: Sampling
    ) -> AsyncGenerator[str | AnswerEnd]:
        """Has an answer generated, and passes on what is new of it until its end."""
        self._started()
        queue: asyncio.Queue[News] = asyncio.Queue()
        answer = Answer(prompt, sampling, request.adapter, queue.put_nowait)
        self._running.add(answer)
        self._waiting.enter(answer, request.lane)
        try:
            while True:
                news = await queue.get()
                if isinstance(news, Exception):
                    raise news
                yield news
                if isinstance(news, AnswerEnd):
                    return
        finally:
            answer.is_cancelled = True
            self._waiting.leave(answer)
            self._running.discard(answer)

    async def _serve(self, model: TransformersModel, most: int, patience_s: float) -> None:
        """Generates batch after batch."""
        loop = asyncio.get_running_loop()

        def publish(heard: list[tuple[Answer, News]]) -> None:
            loop.call_soon_threadsafe(_deliver, heard)

        while True:
            batch = await self._waiting.next_group(most, patience_s)
            run = loop.run_in_executor(self._generating, model.generate, batch, publish)
            # Models raise anything.
            (outcome,) = await asyncio.gather(run, return_exceptions=True)
            if outcome is None:
                continue
            if not await loop.run_in_executor(self._generating, model.works):
                self._give_up("died", outcome)
                return
            for answer in batch:
                answer.receive(self._failure("failed to generate", outcome))

    def _give_up(self, fault: str, cause: BaseException | None = None) -> None:
        """Fails everything that is under way, and what comes later."""
        self._fault = fault
        for answer in self._running:
            answer.is_cancelled = True
            answer.receive(self._failure(fault, cause))

    def _failure(self, fault: str, cause: BaseException | None) -> EngineUnavailableError:
        # The cause may quote a prompt: it is for the log, not for the message.
        error = EngineUnavailableError(f"the engine of {self._spec.name} {fault}")
        error.__cause__ = cause
        return error


def _deliver(heard: list[tuple[Answer, News]]) -> None:
    for answer, news in heard:
        answer.receive(news)


def _result(
    end: AnswerEnd, prompt: EncodedPrompt, sampling: Sampling, arrival: float
) -> EngineResult:
    return EngineResult(
        finish_reason=end.finish_reason,
        usage=TokenUsage(len(prompt.token_ids), prompt.image_token_count, end.token_count),
        timings=Timings(
            queue_s=max(0.0, end.started_at - arrival),
            prefill_s=end.first_token_at - end.started_at,
            decode_s=end.ended_at - end.first_token_at,
        ),
        sampling=sampling,
    )
