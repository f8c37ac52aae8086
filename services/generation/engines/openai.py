"""A model behind an endpoint that speaks OpenAI's chat completions: a closed one, or a vLLM server.

HTTP is spoken through httpx2, on which the openai package stands too, and not through that
package: what counts here are headers of rate limits, refusals cut to size, redirects that are not
followed and no retries behind our back. And httpx2 comes with the base installation, so that a
machine without vLLM can serve such models.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import TypeVar, cast

import httpx2
import structlog

from services.core.errors import (
    EngineUnavailableError,
    ModelFailedError,
    OverloadedError,
    ServiceError,
)
from services.generation.capabilities import unsupported_fields
from services.generation.catalog import ModelSpec
from services.generation.domain import EngineRequest, EngineResult, Timings
from services.generation.engines.openai_endpoint import Endpoint, ServedModel
from services.generation.engines.openai_errors import Refusal
from services.generation.engines.openai_pace import EndpointPace, retry_after_of
from services.generation.engines.openai_request import RequestWriter
from services.generation.engines.openai_stream import Answer

_log = structlog.get_logger()

# How long a start waits for an endpoint that may be starting too, and how often it looks.
_START_TIMEOUT_S = 30.0
_START_INTERVAL_S = 1.0
_FIRST_QUESTION = "Hello."
_FIRST_QUESTION_TOKENS = 16
# How often one request is sent while the endpoint's rate limit refuses it.
_MAX_SENDINGS = 6
# The pause after a refusal that does not say how long; each further one doubles it.
_FIRST_PAUSE_S = 1.0

_T = TypeVar("_T")


class OpenAIEngine:
    """Sends every generation to an endpoint; how it runs there is the endpoint's matter.

    An endpoint that is away does not make the engine unwell: another replica would find the same.
    """

    def __init__(self, spec: ModelSpec) -> None:
        assert spec.openai is not None, "the catalog sees to it"
        self._spec = spec
        self._settings = spec.openai
        self._writer = RequestWriter(spec, spec.openai)
        self._endpoint: Endpoint | None = None
        self._pace: EndpointPace | None = None
        self._closing: asyncio.Task[None] | None = None
        self._running = 0
        self._server_version = ""
        self._revision = spec.openai.model

    @property
    def version(self) -> str:
        """The server's, where it tells; else that of the package that speaks HTTP."""
        return self._server_version or f"httpx2 {httpx2.__version__}"

    @property
    def revision(self) -> str:
        """What the endpoint last called the model that answered, such as a dated snapshot."""
        return self._revision

    @property
    def dtype(self) -> str:
        """Empty: no endpoint tells."""
        return ""

    async def start(self) -> None:
        """Finds out whether the endpoint is there, accepts the key and has the model.

        An endpoint that may only just be starting is given half a minute. One that is no vLLM
        server is asked for a few tokens, since nothing else tells which model an alias stands for.
        """
        defaults = unsupported_fields(self._spec, self._spec.sampling.filled())
        if defaults:
            raise ModelFailedError(f"{defaults[0].field} {defaults[0].description}")
        self._endpoint = Endpoint(self._settings)
        self._pace = EndpointPace(self._spec.name, self._settings.max_concurrent_requests)
        try:
            models = await self._reach(self._endpoint)
            if self._settings.dialect == "vllm":
                _check_served(self._spec, self._settings.model, models or [])
                self._server_version = await self._ask_version(self._endpoint)
            else:
                await self._ask_first_question()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Closes the connections; what is in flight is lost."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # Without a loop nothing can close them, and the process is about to end.
            return
        self._closing = loop.create_task(endpoint.close())

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields text as the endpoint sends it, then the result.

        Raises, besides what every engine does, OverloadedError where the endpoint's rate limit
        asks for a longer wait than is worth it, and ModelFailedError where it does not accept the
        key or the model.
        """
        endpoint, pace = self._started()
        sampling = self._writer.effective(request.sampling)
        loop = asyncio.get_running_loop()
        arrival = loop.time()
        deadline = arrival + self._settings.request_timeout_s
        # No wait may be longer than the caller's own.
        waits_until = deadline if request.timeout_s is None else arrival + request.timeout_s
        self._running += 1
        try:
            async with pace.place(min(deadline, waits_until)):
                body = await self._writer.body(request, sampling)
                key = endpoint.key_file.read()
                answer = Answer(endpoint.place, key)
                async with self._accepted(body, key, deadline, waits_until) as (response, sent):
                    first = 0.0
                    async with aclosing(self._texts(response, answer, deadline)) as texts:
                        async for text in texts:
                            first = first or loop.time()
                            yield text
            finish_reason = answer.finish_reason()
            first, end = first or loop.time(), loop.time()
            self._revision = answer.model or self._revision
            yield EngineResult(
                finish_reason=finish_reason,
                usage=answer.usage,
                timings=Timings(sent - arrival, first - sent, end - first),
                sampling=sampling,
                revision=answer.model or self._settings.model,
                engine_version=answer.fingerprint,
            )
        finally:
            self._running -= 1

    async def check_health(self) -> None:
        """Is well once started, whatever the endpoint does."""
        self._started()

    def running_count(self) -> int:
        """Counts what the endpoint works on and what waits for it."""
        return self._running

    def _started(self) -> tuple[Endpoint, EndpointPace]:
        if self._endpoint is None or self._pace is None:
            raise EngineUnavailableError(f"the engine of {self._spec.name} is not started")
        return self._endpoint, self._pace

    @asynccontextmanager
    async def _accepted(
        self, body: bytes, key: str, deadline: float, waits_until: float
    ) -> AsyncGenerator[tuple[httpx2.Response, float]]:
        """Sends a request until it is not refused for a rate limit, and says when it was sent."""
        endpoint, pace = self._started()
        for sending in range(1, _MAX_SENDINGS + 1):
            await pace.wait_until_resumed(min(deadline, waits_until))
            sent = asyncio.get_running_loop().time()
            async with AsyncExitStack() as stack:
                chat = stack.enter_async_context(endpoint.chat(body, key))
                response = await self._in_time(chat, deadline)
                pace.note_limits(response.headers)
                if response.status_code == httpx2.codes.OK:
                    yield response, sent
                    return
                refusal = await self._in_time(endpoint.refusal(response, key), deadline)
            self._pause_or_raise(refusal, retry_after_of(response.headers), sending)

    def _pause_or_raise(self, refusal: Refusal, wait_s: float | None, sending: int) -> None:
        endpoint, pace = self._started()
        if not (refusal.is_rate_limit or (refusal.is_overload and wait_s is not None)):
            raise endpoint.error(refusal)
        pace.pause(wait_s if wait_s is not None else _FIRST_PAUSE_S * 2 ** (sending - 1))
        if sending == _MAX_SENDINGS:
            raise OverloadedError(
                f"{endpoint.place} refused the request {sending} times for its rate limit: "
                f"{refusal.message}",
                retry_after_s=max(pace.pause_left_s, _FIRST_PAUSE_S),
            )

    async def _texts(
        self, response: httpx2.Response, answer: Answer, deadline: float
    ) -> AsyncGenerator[str, None]:
        endpoint, _ = self._started()
        source = aiter(httpx2.EventSource(response))
        async with aclosing(cast("AsyncGenerator[httpx2.ServerSentEvent, None]", source)) as events:
            while not answer.is_over:
                try:
                    event = await self._in_time(anext(events, None), deadline)
                except (httpx2.HTTPError, httpx2.StreamError) as error:
                    if answer.is_complete:
                        return
                    raise endpoint.lost(error) from error
                if event is None:
                    return
                if text := answer.take(event.data):
                    yield text

    async def _in_time(self, step: Awaitable[_T], deadline: float) -> _T:
        try:
            async with asyncio.timeout_at(deadline):
                return await step
        except TimeoutError as error:
            raise EngineUnavailableError(
                f"the endpoint of {self._spec.name} took longer than "
                f"{self._settings.request_timeout_s:g} s, the model's request_timeout_s"
            ) from error

    async def _reach(self, endpoint: Endpoint) -> list[ServedModel] | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_TIMEOUT_S
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return await endpoint.models()
            except TimeoutError as error:
                raise ModelFailedError(
                    f"{endpoint.place} did not answer within {_START_TIMEOUT_S:g} s"
                ) from error
            except EngineUnavailableError as error:
                if loop.time() + _START_INTERVAL_S >= deadline:
                    raise ModelFailedError(error.message) from error
            await asyncio.sleep(_START_INTERVAL_S)

    async def _ask_version(self, endpoint: Endpoint) -> str:
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                version = await endpoint.vllm_version()
        except (TimeoutError, EngineUnavailableError):
            version = ""
        return f"vllm {version}" if version else ""

    async def _ask_first_question(self) -> None:
        """Learns which model answers; only a refused key or model is worth failing for."""
        sampling = replace(
            self._spec.sampling.filled(), max_tokens=_FIRST_QUESTION_TOKENS, min_tokens=0, stop=()
        )
        question = EngineRequest(
            "", None, _FIRST_QUESTION, "", sampling, timeout_s=_START_TIMEOUT_S
        )
        try:
            async with (
                asyncio.timeout(_START_TIMEOUT_S),
                aclosing(self.generate(question)) as pieces,
            ):
                async for _ in pieces:
                    pass
        except ModelFailedError:
            raise
        except (TimeoutError, ServiceError) as error:
            _log.warning(
                "endpoint_question_failed", model=self._spec.name, reason=str(error) or "timeout"
            )


def _check_served(spec: ModelSpec, model: str, served: list[ServedModel]) -> None:
    found = next((each for each in served if each.id == model), None)
    if found is None:
        names = ", ".join(each.id for each in served[:20]) or "none"
        raise ModelFailedError(f"the vLLM server has no model {model!r}; it serves {names}")
    if found.max_model_len is not None and found.max_model_len < spec.max_model_len:
        raise ModelFailedError(
            f"max_model_len is {spec.max_model_len} in the catalog, "
            f"but the vLLM server holds {found.max_model_len}"
        )
