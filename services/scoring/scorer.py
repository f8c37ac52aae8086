"""Scores tasks on a pool of worker processes."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count

import structlog

from services.core.errors import InternalError, OverloadedError
from services.metrics import Score
from services.scoring.budget import Budget
from services.scoring.task import Answer, ScoringTask, WorkerFailure
from services.scoring.worker_process import WorkerLostError, WorkerProcess

_log = structlog.get_logger()

# While a worker scores one batch the next already lies in its pipe.
_BATCHES_PER_WORKER = 2

# A task whose worker was lost is scored once more, alone, in case it was the cause.
_MAX_LOSSES = 2

_RESTART_DELAYS_S = (0.0, 0.5, 1.0, 2.0, 5.0)

Scores = tuple[Score, ...]


@dataclass(slots=True, eq=False)
class _Pending:
    """A task that waits for its scores."""

    task: ScoringTask
    scores: asyncio.Future[Scores]
    losses: int = 0


_Batch = list[_Pending]


class Scorer:
    """Keeps worker processes busy, and replaces those that are lost.

    Args:
        workers: How many processes.
        batch_items: Most items that a worker is given at once.
        batch_timeout_s: After this long a worker is taken for stuck.
        budget: Bounds what is pending.
    """

    def __init__(
        self, *, workers: int, batch_items: int, batch_timeout_s: float, budget: Budget
    ) -> None:
        self._worker_count = workers
        self._batch_items = batch_items
        self._batch_timeout_s = batch_timeout_s
        self._budget = budget
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue()  # the budget bounds it
        self._keepers: list[asyncio.Task[None]] = []
        self._workers: set[WorkerProcess] = set()

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are up."""
        return tuple(worker.pid for worker in self._workers)

    async def start(self) -> None:
        """Starts the workers and returns once all are warm.

        Raises:
            WorkerLostError: One did not come up.
        """
        starts = [WorkerProcess.start() for _ in range(self._worker_count)]
        started = await asyncio.gather(*starts, return_exceptions=True)
        workers = [worker for worker in started if isinstance(worker, WorkerProcess)]
        for failure in started:
            if isinstance(failure, BaseException):
                await asyncio.gather(*(worker.kill() for worker in workers))
                raise failure
        self._workers.update(workers)
        self._keepers = [asyncio.create_task(self._keep_working(worker)) for worker in workers]

    async def stop(self) -> None:
        """Ends the workers; what is still pending is cancelled."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait().scores.cancel()

    def submit_now(self, task: ScoringTask) -> asyncio.Future[Scores]:
        """Enters a task, or refuses it where too much is pending. Cancel the future to withdraw.

        Raises:
            OverloadedError: Too much is pending.
        """
        if not self._budget.try_take(task.cost_bytes):
            raise OverloadedError(
                f"{self._budget.max_items} items or {self._budget.max_bytes} bytes are pending",
                retry_after_s=0.5,
                max_pending_items=str(self._budget.max_items),
                max_pending_bytes=str(self._budget.max_bytes),
            )
        return self._enter(task)

    async def submit(self, task: ScoringTask) -> asyncio.Future[Scores]:
        """Enters a task as soon as there is room for it."""
        await self._budget.take(task.cost_bytes)
        return self._enter(task)

    def _enter(self, task: ScoringTask) -> asyncio.Future[Scores]:
        scores: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Pending(task, scores))
        return scores

    async def _keep_working(self, worker: WorkerProcess) -> None:
        """Has one worker score batch after batch; goes on with another when it is lost."""
        again: deque[_Batch] = deque()
        try:
            while True:
                again = await self._use(worker, again)
                worker = await self._replacement()
        finally:  # the service ends
            for pending in chain.from_iterable(again):
                pending.scores.cancel()

    async def _use(self, worker: WorkerProcess, again: deque[_Batch]) -> deque[_Batch]:
        """Uses a worker until it is lost.

        Args:
            worker: A warm worker; gone on return.
            again: Batches to be scored before any other. When this is cancelled, it holds all that
                is unanswered.

        Returns:
            What has to be scored again.
        """
        in_flight: deque[_Batch] = deque()
        sent = asyncio.Semaphore(0)
        room = asyncio.Semaphore(_BATCHES_PER_WORKER)

        async def send() -> None:
            while True:
                await room.acquire()
                batch = again.popleft() if again else await self._next_batch()
                in_flight.append(batch)
                sent.release()
                await worker.send([pending.task for pending in batch])

        async def receive() -> None:
            while True:
                await sent.acquire()
                tasks = [pending.task for pending in in_flight[0]]
                answers = await worker.receive(tasks, self._batch_timeout_s)
                for pending, answer in zip(in_flight.popleft(), answers, strict=True):
                    _settle(pending, answer)
                    self._budget.give_back(pending.task.cost_bytes)
                room.release()

        self._workers.add(worker)
        lost = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(send())
                group.create_task(receive())
                group.create_task(worker.watch())
        except* WorkerLostError as losses:
            lost = True
            reason = str(losses.exceptions[0])
            _log.error("scoring_worker_lost", worker_pid=worker.pid, reason=reason)
        finally:
            if not lost:
                again.extend(in_flight)
            self._workers.discard(worker)
            await worker.kill()
        _blame(in_flight)
        batches = map(self._without_withdrawn, [*_second_chances(in_flight), *again])
        return deque(batch for batch in batches if batch)

    async def _next_batch(self) -> _Batch:
        """Waits for work and takes what there is of it, up to a batch."""
        batch: _Batch = []
        while not batch:
            waiting = [await self._queue.get()]
            while len(waiting) < self._batch_items and not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            batch = self._without_withdrawn(waiting)
        return batch

    def _without_withdrawn(self, waiting: _Batch) -> _Batch:
        """Drops the tasks that nobody waits for any more, and what they occupy."""
        wanted = []
        for pending in waiting:
            if pending.scores.done():
                self._budget.give_back(pending.task.cost_bytes)
            else:
                wanted.append(pending)
        return wanted

    async def _replacement(self) -> WorkerProcess:
        for attempt in count():
            await asyncio.sleep(_RESTART_DELAYS_S[min(attempt, len(_RESTART_DELAYS_S) - 1)])
            try:
                worker = await WorkerProcess.start()
            except (WorkerLostError, OSError) as error:
                _log.error("scoring_worker_start_failed", reason=str(error))
            else:
                _log.info("scoring_worker_replaced", worker_pid=worker.pid)
                return worker
        raise AssertionError("unreachable")


def _settle(pending: _Pending, answer: Answer) -> None:
    if pending.scores.done():  # withdrawn in the meantime
        return
    if isinstance(answer, WorkerFailure):
        _log.error("scoring_failed", failure=answer.description)
        pending.scores.set_exception(
            InternalError("the item could not be scored; the service's log has the details")
        )
    else:
        pending.scores.set_result(answer)


def _blame(lost: Sequence[_Batch]) -> None:
    """Gives up the tasks at which a worker was lost for the last time.

    A worker answers batch after batch, so that it was at the first of those it had.
    """
    for pending in lost[0] if lost else ():
        pending.losses += 1
        if pending.losses >= _MAX_LOSSES and not pending.scores.done():
            pending.scores.set_exception(
                InternalError("a worker was lost twice while it scored this item")
            )


def _second_chances(lost: Sequence[_Batch]) -> list[_Batch]:
    """Says in which batches to score a lost worker's tasks again: its first batch one by one."""
    first = lost[0] if lost else []
    return [*([pending] for pending in first), *list(lost)[1:]]
