"""A scripted engine that a test holds up, and that counts what it was asked for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.generation.catalog import ModelSpec
from services.generation.domain import EngineRequest, EngineResult
from services.generation.engines.scripted import ScriptedEngine


class HeldEngine(ScriptedEngine):
    """Yields one word, and the rest only once it may go on."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.may_go_on = asyncio.Event()
        self.asked: list[EngineRequest] = []
        self.error: Exception | None = None

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields what the script says, or raises the error that was set."""
        self.asked.append(request)
        async with aclosing(super().generate(request)) as words:
            yield await anext(words)
            await self.may_go_on.wait()
            if self.error is not None:
                raise self.error
            async for word in words:
                yield word
