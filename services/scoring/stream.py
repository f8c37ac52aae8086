"""Scores the items of a stream as they come, a bounded number of them at a time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import DrainingError, ServiceError
from services.scoring.checks import ItemLimits, check_item_id, cut_item_id, repeated_item_id
from services.scoring.convert import error_to_pb, task_from_pb
from services.scoring.fair_queue import Caller, Lane
from services.scoring.scorer import FutureScores, Scorer
from services.scoring.task import ScoringTask
from services.telemetry.logging import bind_request


class ScoreStream:
    """One call of ScoreExplanations.

    Args:
        requests: The items.
        scorer: Scores them.
        limits: How large an item may be.
        window: Most items in flight; the next one is read when an answer was taken.
        draining: Set when the service stops: no more is read, and the stream ends once all that
            was read is answered.
    """

    def __init__(
        self,
        requests: AsyncIterator[pb.ScoreExplanationsRequest],
        scorer: Scorer,
        limits: ItemLimits,
        window: int,
        draining: asyncio.Event,
    ) -> None:
        self._requests = requests
        self._scorer = scorer
        self._limits = limits
        self._room = asyncio.Semaphore(window)
        self._draining = draining
        self._may_interrupt = False
        self._caller = Caller(Lane.STREAM)
        self._in_flight: dict[str, FutureScores] = {}
        self._answers: asyncio.Queue[pb.ScoreExplanationsResponse | None] = asyncio.Queue()

    async def answers(self) -> AsyncGenerator[pb.ScoreExplanationsResponse]:
        """Yields one answer an item, in the order in which they are ready.

        Raises:
            DrainingError: The service stops; every item that it read has been answered.
        """
        reader = asyncio.create_task(self._read())
        reader.add_done_callback(lambda _: self._end_if_idle(reader))
        drain = asyncio.create_task(self._stop_reading(reader))
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
                self._room.release()
                self._end_if_idle(reader)
            if self._draining.is_set():
                raise DrainingError("the service is shutting down; send the rest to another one")
            reader.result()  # raises what ended the reading, if anything did
        finally:
            drain.cancel()
            reader.cancel()
            for scores in list(self._in_flight.values()):
                scores.cancel()

    def _end_if_idle(self, reader: asyncio.Task[None]) -> None:
        if reader.done() and not self._in_flight and self._answers.empty():
            self._answers.put_nowait(None)

    async def _stop_reading(self, reader: asyncio.Task[None]) -> None:
        await self._draining.wait()
        if self._may_interrupt:
            reader.cancel()

    async def _read(self) -> None:
        while not self._draining.is_set():
            self._may_interrupt = True
            await self._room.acquire()
            request = await anext(self._requests, None)
            self._may_interrupt = False
            if request is None:
                return
            item_id, task = request.item_id, self._accept(request)
            # Held until the next one comes, a large request would outlive its answer.
            del request
            if task is not None:
                bind_request(item_id, "")
                await self._enter(item_id, task)
            del task

    def _accept(self, request: pb.ScoreExplanationsRequest) -> ScoringTask | None:
        """Reads an item; answers it at once, and gives None, if it cannot be scored."""
        item_id = request.item_id
        try:
            check_item_id(item_id)
            if item_id in self._in_flight:
                raise repeated_item_id()
            return task_from_pb(request, self._limits, self._scorer.encoder)
        except ServiceError as error:
            self._scorer.items.refused(Lane.STREAM)
            # An id over the limit comes back as what fits into the limit, between characters: such
            # an id may be as large as a request, and a window of them would have to be held for a
            # caller that takes no answers. The error says what was wrong with it.
            answer = pb.ScoreExplanationsResponse(
                item_id=cut_item_id(item_id), error=error_to_pb(error)
            )
            self._answers.put_nowait(answer)
            return None

    async def _enter(self, item_id: str, task: ScoringTask) -> None:
        scores = await self._scorer.submit(task, self._caller)
        self._in_flight[item_id] = scores
        scores.add_done_callback(partial(self._answer, item_id))

    def _answer(self, item_id: str, scores: FutureScores) -> None:
        del self._in_flight[item_id]
        if scores.cancelled():  # the call is over
            return
        response = pb.ScoreExplanationsResponse(item_id=item_id)
        error = scores.exception()
        if error is None:
            response.scores.CopyFrom(scores.result())
        else:
            response.error.CopyFrom(error_to_pb(error))
        self._answers.put_nowait(response)
