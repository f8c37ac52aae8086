"""One generation and all who read it: at their own pace, from its beginning, until it ends."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine

from services.core.errors import InternalError
from services.generation.domain import Completion, Explanation, ExplanationEvent, TextDelta

# Told once of the result, if there is one, when a generation is over.
WhenOver = Callable[[Explanation | None], None]


class SharedGeneration:
    """Runs a generation in a task of its own, for as long as anybody reads it.

    What a reader has not taken yet is kept once for all of them, as text: a slow reader holds up
    neither the generation nor the others, and memory is bounded by the length of one answer.

    Args:
        work: Generates; tells what comes by :meth:`add`, and raises what goes wrong. It is
            cancelled when the last reader leaves.
        when_over: Called once, with the result if there is one, when the generation has ended or
            nobody reads it any more.
    """

    def __init__(
        self,
        work: Callable[["SharedGeneration"], Coroutine[None, None, None]],
        when_over: WhenOver = lambda _: None,
    ) -> None:
        self._texts: list[str] = []
        self._completion: Completion | None = None
        self._news = asyncio.Event()
        self._readers = 0
        self._when_over = when_over
        self._is_over = False
        self._task = asyncio.create_task(self._run(work))
        self._task.add_done_callback(lambda _: self._end())

    @property
    def has_begun(self) -> bool:
        """Whether there is text."""
        return bool(self._texts)

    @property
    def text_chars(self) -> int:
        """How many characters there are."""
        return sum(map(len, self._texts))

    def add(self, event: ExplanationEvent) -> None:
        """Takes what the generation yields."""
        if isinstance(event, TextDelta):
            self._texts.append(event.text)
        else:
            self._completion = event
        self._tell()

    async def events(self) -> AsyncGenerator[ExplanationEvent, None]:
        """Yields the text so far as one delta, then deltas as they come, then the completion.

        Text that comes faster than it is read is merged. Raises what the generation raised.
        """
        self._readers += 1
        taken = 0
        try:
            while True:
                news, is_over = self._news, self._task.done()
                if taken < len(self._texts):
                    text = "".join(self._texts[taken:])
                    taken = len(self._texts)
                    yield TextDelta(text)
                elif is_over:
                    yield self._task.result().completion
                    return
                else:
                    await news.wait()
        finally:
            await self._leave()

    async def result(self) -> Explanation:
        """Waits for the end and gives the whole; raises what the generation raised."""
        self._readers += 1
        try:
            await asyncio.wait({self._task})
            return self._task.result()
        finally:
            await self._leave()

    async def _run(
        self, work: Callable[["SharedGeneration"], Coroutine[None, None, None]]
    ) -> Explanation:
        result: Explanation | None = None
        try:
            await work(self)
            if self._completion is None:
                raise InternalError("the generation ended without a completion")
            result = Explanation("".join(self._texts), self._completion)
            return result
        finally:
            # Before the task is done: who comes then must not join what has failed.
            self._conclude(result)

    async def _leave(self) -> None:
        self._readers -= 1
        if self._readers or self._task.done():
            return
        self._conclude(None)
        self._task.cancel()
        # Its place is free before its last reader counts as gone.
        await asyncio.wait({self._task})

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _end(self) -> None:
        if not self._task.cancelled():
            self._task.exception()  # there may be nobody left to look at it
        self._conclude(None)  # where it was cancelled before it began
        self._tell()

    def _conclude(self, result: Explanation | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._when_over(result)
