"""Scores tasks: bounds what is pending, and shares it out between the pools of workers."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import OverloadedError
from services.core.return_times import ReturnTimes
from services.metrics import METRICS
from services.scoring.budget import Budget
from services.scoring.fair_queue import Caller, Lane
from services.scoring.item_metrics import ItemMetrics
from services.scoring.task import ScoringTask
from services.scoring.worker_pool import WorkerPool
from services.telemetry.instruments import Metrics

_ENCODER_METRICS = frozenset(name for name, metric in METRICS.items() if metric.needs_encoder)

FutureScores = asyncio.Future[pb.ItemScores]


class Scorer:
    """Scores tasks by whatever metrics they name.

    BERTScore is for the workers that hold an encoder, if there are any, and all else for the
    others; an item that wants both has its scores put together again.

    Args:
        pool: Computes all that needs no encoder.
        encoder_pool: Computes what does; None where no encoder is configured.
        single_budget: Bounds what single calls have pending.
        stream_budget: Bounds what streams have pending.
        max_wait_s: Single calls are refused that would wait longer, or longer than their deadline,
            once as many are pending as make a good batch.
        good_batch_items: How many those are.
        metrics: Where Prometheus finds what is counted; by default nowhere.

    Attributes:
        items: Counts the items.
    """

    def __init__(
        self,
        pool: WorkerPool,
        encoder_pool: WorkerPool | None,
        *,
        single_budget: Budget,
        stream_budget: Budget,
        max_wait_s: float,
        good_batch_items: int,
        metrics: Metrics | None = None,
    ) -> None:
        self._pool = pool
        self._encoder_pool = encoder_pool
        self._budgets = {Lane.SINGLE: single_budget, Lane.STREAM: stream_budget}
        self.items = ItemMetrics(metrics or Metrics(), self._budgets)
        self._max_wait_s = max_wait_s
        self._good_batch_items = good_batch_items
        self._single_calls = Caller(Lane.SINGLE)
        self._return_times = ReturnTimes()

    @property
    def encoder(self) -> str:
        """Signature of the encoder; empty where there is none. Known once started."""
        return self._encoder_pool.encoder if self._encoder_pool is not None else ""

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are up."""
        return tuple(pid for pool in self._pools for pid in pool.pids)

    @property
    def _pools(self) -> Sequence[WorkerPool]:
        return [self._pool, *([self._encoder_pool] if self._encoder_pool is not None else [])]

    async def start(self) -> None:
        """Starts the workers and returns once all are warm.

        Raises:
            WorkerLostError: One did not come up.
            UserInputError: The encoder cannot be loaded.
        """
        starts = await asyncio.gather(
            *(pool.start() for pool in self._pools), return_exceptions=True
        )
        for failure in starts:
            if isinstance(failure, BaseException):
                await self.stop()
                raise failure

    async def stop(self) -> None:
        """Ends the workers; what is still pending fails with a DrainingError."""
        await asyncio.gather(*(pool.stop() for pool in self._pools))

    def check_room(self, cost_bytes: int, remaining_s: float | None) -> None:
        """Refuses a single call that would find too much pending; costs next to nothing.

        Args:
            cost_bytes: Roughly the size of its texts.
            remaining_s: How long the caller will wait for the answer; None for ever.

        Raises:
            OverloadedError: Too much is pending, or it would take too long.
        """
        budget = self._budgets[Lane.SINGLE]
        has_room = budget.has_room(cost_bytes)
        if has_room and budget.items < self._good_batch_items:
            return
        wait_s = budget.drain_s()
        most_s = self._max_wait_s if remaining_s is None else min(self._max_wait_s, remaining_s)
        if not has_room:
            problem = f"{budget.max_items} items or {budget.max_bytes} bytes are pending"
        elif wait_s is not None and wait_s > most_s:
            problem = f"what is pending will take {wait_s:.1f} s, and {most_s:.1f} s is the most"
        else:
            return
        self.items.refused(Lane.SINGLE)
        raise OverloadedError(
            f"too much is waiting to be scored: {problem}",
            # The first may come back once about half of what is pending is done.
            retry_after_s=self._return_times.next_s(None if wait_s is None else wait_s / 2),
            max_pending_items=str(budget.max_items),
            max_pending_bytes=str(budget.max_bytes),
        )

    def submit_now(self, task: ScoringTask) -> FutureScores:
        """Enters the task of a single call. Cancel the future to withdraw it.

        Raises:
            OverloadedError: Too much is pending.
        """
        arrived = time.monotonic()
        self.check_room(task.cost_bytes, None)
        budget = self._budgets[Lane.SINGLE]
        if not budget.items:
            self._return_times.note_busy()
        budget.take_now(task.cost_bytes)
        scores = self._enter(task, self._single_calls, arrived)
        scores.add_done_callback(self._note_done)
        return scores

    def _note_done(self, scores: FutureScores) -> None:
        if not scores.cancelled():
            self._return_times.note_done()

    async def submit(self, task: ScoringTask, stream: Caller) -> FutureScores:
        """Enters a task of a stream as soon as there is room for it.

        Args:
            task: The task.
            stream: Whose it is; streams get equal shares of the workers.
        """
        arrived = time.monotonic()
        try:
            await self._budgets[stream.lane].take(task.cost_bytes)
        except asyncio.CancelledError:
            self.items.withdrawn(stream.lane)
            raise
        return self._enter(task, stream, arrived)

    def _enter(self, task: ScoringTask, caller: Caller, arrived: float) -> FutureScores:
        scores = self._divide(task, caller)
        budget, cost_bytes = self._budgets[caller.lane], task.cost_bytes
        lane, metrics = caller.lane, task.metrics  # and not the task, whose texts are large

        def note_end(scores: FutureScores) -> None:
            budget.give_back(cost_bytes, done=not scores.cancelled())
            self.items.ended(lane, scores, metrics, arrived)

        scores.add_done_callback(note_end)
        return scores

    def _divide(self, task: ScoringTask, caller: Caller) -> FutureScores:
        """Hands a task to the pools that have to do with it."""
        encoded = [name for name in task.metrics if name in _ENCODER_METRICS]
        if not encoded:
            return self._pool.submit(task, caller)
        assert self._encoder_pool is not None, "refused before: the service has no encoder"
        if len(encoded) == len(task.metrics):
            return self._encoder_pool.submit(task, caller)
        others = tuple(name for name in task.metrics if name not in encoded)
        parts = [
            self._pool.submit(replace(task, metrics=others), caller),
            self._encoder_pool.submit(replace(task, metrics=tuple(encoded)), caller),
        ]
        return _together(parts, task.metrics)


def _together(parts: Sequence[FutureScores], metrics: Sequence[str]) -> FutureScores:
    """The scores of all parts in the order of the metrics; withdraws the parts when cancelled."""
    whole: FutureScores = asyncio.get_running_loop().create_future()

    def part_done(part: FutureScores) -> None:
        error = None if part.cancelled() else part.exception()
        if whole.done():
            return
        if part.cancelled():
            whole.cancel()
        elif error is not None:
            whole.set_exception(error)
            whole.exception()  # there may be nobody left to look at it
        elif all(part.done() for part in parts):
            by_name = {score.metric: score for part in parts for score in part.result().scores}
            whole.set_result(pb.ItemScores(scores=[by_name[name] for name in metrics]))

    def whole_done(_: FutureScores) -> None:
        for part in parts:
            part.cancel()

    for part in parts:
        part.add_done_callback(part_done)
    whole.add_done_callback(whole_done)
    return whole
