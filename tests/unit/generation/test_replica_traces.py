"""The trace of a call goes on in the replica, over Ray Serve's handle."""

import asyncio
import contextvars
import pickle
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from services.generation.catalog import Catalog
from services.generation.domain import EngineRequest, Explanation, ExplanationEvent
from services.generation.engines import build_engine
from services.generation.runner import ModelRunner
from services.generation.serve_router import ServeRouter
from services.telemetry.propagation import TraceContext, in_sweep, in_trace
from tests.recorded_spans import RecordedSpans, is_child, recorded_spans
from tests.unit.generation.builders import engine_request, scripted_spec, until

CALLER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", flags=1)


@pytest.fixture
def spans() -> Iterator[RecordedSpans]:
    with recorded_spans() as found:
        yield found


def told(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


@dataclass(frozen=True, slots=True)
class Handle:
    """Calls a replica as Serve's handle does: by pickle, in a context that knows of nothing."""

    runner: ModelRunner
    stream: bool

    def remote(self, request: EngineRequest, timeout_s: float | None) -> object:
        copy = pickle.loads(pickle.dumps(request))
        return Answer(self.runner, copy, timeout_s)


class Answer:
    """What Serve's handle answers with, as far as the router needs it."""

    def __init__(
        self, runner: ModelRunner, request: EngineRequest, timeout_s: float | None
    ) -> None:
        self._runner, self._request, self._timeout_s = runner, request, timeout_s
        self._replica_result_future: asyncio.Future[object] = asyncio.Future()
        self._events: asyncio.Queue[ExplanationEvent | None] = asyncio.Queue()
        self._task: asyncio.Task[object] | None = None

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def __await__(self) -> object:
        self._task = self._elsewhere(self._runner.explain(self._request, self._timeout_s))
        return self._task.__await__()

    async def __aiter__(self) -> AsyncIterator[ExplanationEvent]:
        self._task = self._elsewhere(self._pump())
        while (event := await self._events.get()) is not None:
            yield event

    async def _pump(self) -> None:
        try:
            async for event in self._runner.stream(self._request, self._timeout_s):
                self._events.put_nowait(event)
        finally:
            self._events.put_nowait(None)

    @staticmethod
    def _elsewhere(work: Coroutine[None, None, object]) -> asyncio.Task[object]:
        return asyncio.get_running_loop().create_task(work, context=contextvars.Context())


class PickledRouter(ServeRouter):
    """The real router, whose handles lead to a runner of this process."""

    def __init__(self, runner: ModelRunner) -> None:
        super().__init__(Catalog({"demo": scripted_spec("demo")}))
        self._runner = runner

    def _method(self, model: str, name: str, *, stream: bool = False) -> Handle:
        return Handle(self._runner, stream)


@pytest.fixture
async def router() -> AsyncIterator[PickledRouter]:
    spec = scripted_spec("demo", per_token_s=0.01)
    runner = ModelRunner(spec, build_engine(spec), delta_interval_s=0.0)
    await runner.start()
    yield PickledRouter(runner)
    runner.stop()


async def whole(router: ServeRouter, request: EngineRequest) -> Explanation:
    return await router.explain("demo", request, None)


async def streamed(router: ServeRouter, request: EngineRequest) -> list[ExplanationEvent]:
    return [event async for event in router.stream("demo", request, None)]


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_the_trace_goes_on_in_the_replica(
    ask: Callable[[ServeRouter, EngineRequest], Coroutine[None, None, object]],
    router: PickledRouter,
    spans: RecordedSpans,
) -> None:
    with in_trace(CALLER), in_sweep("mini"):
        await ask(router, engine_request(request_id="q-1"))
    call, generated = spans.one("replica call"), spans.one("generate_content demo")
    assert call.parent is not None
    assert call.parent.span_id == int(CALLER.span_id, 16)
    assert is_child(generated, call)
    assert told(generated, "expart.request_id") == "q-1"
    assert told(generated, "expart.sweep") == "mini"
    assert told(generated, "gen_ai.response.finish_reasons") in (("stop",), ("length",))


async def test_a_stream_that_is_closed_ends_the_span_of_its_replica_too(
    router: PickledRouter, spans: RecordedSpans
) -> None:
    with in_trace(CALLER):
        events = router.stream("demo", engine_request(), None)
        await anext(events)
        await events.aclose()
    await until(lambda: len(spans.all()) == 2)
    for name in ("replica call", "generate_content"):
        assert told(spans.one(name), "expart.cancelled") is True


async def test_where_nothing_is_recorded_the_replica_still_learns_of_the_trace(
    router: PickledRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[EngineRequest] = []
    stream = router._runner.stream

    def watched(
        request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        seen.append(request)
        return stream(request, timeout_s)

    monkeypatch.setattr(router._runner, "stream", watched)
    with in_trace(CALLER), in_sweep("mini"):
        await streamed(router, engine_request())
    assert [request.origin for request in seen] == [
        (("traceparent", CALLER.traceparent), ("baggage", "expart.sweep=mini"))
    ]
    seen.clear()
    await streamed(router, engine_request())
    assert [request.origin for request in seen] == [()]
