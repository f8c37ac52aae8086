"""The real front over scripted models that count every generation, in the test's own process."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from services.generation.catalog import Catalog, ModelSpec, ScriptedSpec
from services.generation.domain import EngineRequest, Explanation, ExplanationEvent
from services.generation.front import Front
from services.generation.scripted_models import ScriptedModels
from services.generation.settings import GenerationSettings


class CountedModels(ScriptedModels):
    """Scripted models that know which generations began, ended, and were abandoned.

    Attributes:
        begun: Generations begun, by request id, which is the question's key.
        completed: Those that ran to their end.
        changed: Set and replaced whenever one begins or ends.
        flowing: Cleared, generations begin and go no further until it is set again.
    """

    def __init__(self, catalog: Catalog, *, delta_interval_s: float) -> None:
        super().__init__(catalog, delta_interval_s=delta_interval_s)
        self.begun: Counter[str] = Counter()
        self.completed: Counter[str] = Counter()
        self.changed = asyncio.Event()
        self.flowing = asyncio.Event()
        self.flowing.set()

    @property
    def abandoned(self) -> Counter[str]:
        """Generations that began and did not complete; only whole while none runs."""
        return self.begun - self.completed

    async def stream(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> AsyncGenerator[ExplanationEvent, None]:
        self._count(self.begun, request)
        await self.flowing.wait()
        async with aclosing(super().stream(model, request, timeout_s)) as events:
            async for event in events:
                yield event
        self._count(self.completed, request)

    async def explain(
        self, model: str, request: EngineRequest, timeout_s: float | None
    ) -> Explanation:
        self._count(self.begun, request)
        await self.flowing.wait()
        explanation = await super().explain(model, request, timeout_s)
        self._count(self.completed, request)
        return explanation

    def _count(self, counter: Counter[str], request: EngineRequest) -> None:
        counter[request.request_id] += 1
        self.changed.set()
        self.changed = asyncio.Event()


@dataclass(frozen=True, slots=True)
class CountedGeneration:
    """A running generation service that counts.

    Attributes:
        address: Where it listens.
        models: Counts.
        front: Serves.
    """

    address: str
    models: CountedModels
    front: Front

    async def until_begun(self, count: int) -> None:
        """Waits until so many generations have begun in all."""
        while self.models.begun.total() < count:
            await self.models.changed.wait()

    async def until_completed(self, count: int) -> None:
        """Waits until so many generations have completed in all."""
        while self.models.completed.total() < count:
            await self.models.changed.wait()

    async def until_idle(self, within_s: float = 10.0) -> None:
        """Waits until no call is in flight, as soon after its caller is gone."""
        async with asyncio.timeout(within_s):
            while self.front.calls_in_flight:  # noqa: ASYNC110 - the front tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def counted_generation(
    names: Sequence[str], *, first_token_s: float = 0.0, port: int = 0
) -> AsyncIterator[CountedGeneration]:
    """Serves scripted models of these names on a loopback port.

    The same names have the same revisions in every service, however long their answers take.
    """
    script = ScriptedSpec(first_token_s=first_token_s)
    specs = [
        ModelSpec(name=name, engine="scripted", max_model_len=8192, scripted=script)
        for name in names
    ]
    settings = GenerationSettings(host="127.0.0.1", port=port, drain_s=0)
    catalog = Catalog({spec.name: spec for spec in specs})
    models = CountedModels(catalog, delta_interval_s=settings.delta_interval_s)
    await models.start()
    front = Front(catalog, models, settings)
    try:
        yield CountedGeneration(f"127.0.0.1:{await front.start()}", models, front)
    finally:
        await front.stop()
        await models.stop()
