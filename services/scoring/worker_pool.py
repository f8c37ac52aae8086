"""A pool of worker processes: keeps them busy, and replaces those that are lost."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from typing import Literal

import structlog

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import DrainingError, InternalError, ServiceError
from services.scoring.fair_queue import BatchBounds, Caller, FairQueue
from services.scoring.task import Answer, ScoringTask, WorkerFailure
from services.scoring.worker_process import WorkerLostError, WorkerProcess

_log = structlog.get_logger()

# While a worker scores one batch the next already lies in its pipe.
_BATCHES_PER_WORKER = 2

# A task whose worker was lost is scored once more, alone, in case it was the cause.
_MAX_LOSSES = 2

_RESTART_DELAYS_S = (0.0, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What a pool runs, and how.

    Attributes:
        name: What the log calls it.
        command: What runs :mod:`services.scoring.worker`.
        workers: How many processes.
        batch: How much a worker is given at once.
        answer_timeout_s: A worker that answers nothing for so long is taken for stuck.
        withdrawn_grace_s: How long a worker may go on with a task that was withdrawn before it is
            replaced; None for as long as it takes.
        start_timeout_s: How long a worker may take to be warm.
    """

    name: str
    command: tuple[str, ...]
    workers: int
    batch: BatchBounds
    answer_timeout_s: float
    withdrawn_grace_s: float | None
    start_timeout_s: float


class _WithdrawnWorkError(WorkerLostError):
    """The worker was at a task that nobody waits for any more."""


@dataclass(slots=True, eq=False)
class _Pending:
    """A task that waits for its scores."""

    task: ScoringTask
    scores: asyncio.Future[pb.ItemScores]
    losses: int = 0


_Batch = deque[_Pending]
"""Tasks that a worker was given together; those that it has answered are gone from it."""


class WorkerPool:
    """Scores tasks on worker processes.

    Args:
        spec: What to run, and how.
    """

    def __init__(self, spec: PoolSpec) -> None:
        self._spec = spec
        self._queue: FairQueue[_Pending] = FairQueue()  # the submitters' budgets bound it
        self._keepers: list[asyncio.Task[None]] = []
        self._workers: set[WorkerProcess] = set()
        self.encoder = ""
        """Signature of the encoder that the workers have loaded, if any; known once started."""

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are up."""
        return tuple(worker.pid for worker in self._workers)

    async def start(self) -> None:
        """Starts the workers and returns once all are warm.

        Raises:
            WorkerLostError: One did not come up.
            UserInputError: One cannot load what it was told to.
        """
        starts = [self._start_worker() for _ in range(self._spec.workers)]
        started = await asyncio.gather(*starts, return_exceptions=True)
        workers = [worker for worker in started if isinstance(worker, WorkerProcess)]
        for failure in started:
            if isinstance(failure, BaseException):
                await asyncio.gather(*(worker.kill() for worker in workers))
                raise failure
        self._workers.update(workers)
        self.encoder = workers[0].encoder
        self._keepers = [asyncio.create_task(self._keep_working(worker)) for worker in workers]

    async def stop(self) -> None:
        """Ends the workers; what is still pending fails with a DrainingError."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        while len(self._queue):
            _fail(await self._queue.take(self._spec.batch, takers=1), _stopping())

    def submit(self, task: ScoringTask, caller: Caller) -> asyncio.Future[pb.ItemScores]:
        """Enters a task. Cancel the future to withdraw it."""
        scores: asyncio.Future[pb.ItemScores] = asyncio.get_running_loop().create_future()
        pending = _Pending(task, scores)
        self._queue.put(caller, pending, task.cost_bytes)

        def withdraw(scores: asyncio.Future[pb.ItemScores]) -> None:
            if scores.cancelled():
                self._queue.remove(caller, pending)

        scores.add_done_callback(withdraw)
        return scores

    async def _start_worker(self) -> WorkerProcess:
        return await WorkerProcess.start(self._spec.command, self._spec.start_timeout_s)

    async def _keep_working(self, worker: WorkerProcess) -> None:
        """Has one worker score batch after batch; goes on with another when it is lost."""
        again: deque[_Batch] = deque()
        try:
            while True:
                try:
                    again = await self._use(worker, again)
                except Exception as error:  # noqa: BLE001 - whoever waits must learn of a fault
                    _fail(chain.from_iterable(again), InternalError("a worker could not be used"))
                    _log_event("scoring_fault", pool=self._spec.name, fault=repr(error))
                    again = deque()
                worker = await self._replacement()
        finally:  # the service ends
            _fail(chain.from_iterable(again), _stopping())

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
                tasks = [pending.task for pending in batch]
                sent.release()
                await worker.send(tasks)

        async def receive() -> None:
            while True:
                await sent.acquire()
                batch = in_flight[0]
                while batch:
                    for answer in await self._answers(worker, batch):
                        _settle(batch.popleft(), answer)
                in_flight.popleft()
                room.release()

        self._workers.add(worker)
        loss: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(send())
                group.create_task(receive())
                group.create_task(worker.watch())
        except* WorkerLostError as losses:
            loss = losses.exceptions[0]
            name, pid = self._spec.name, worker.pid
            _log_event("scoring_worker_lost", pool=name, worker_pid=pid, reason=str(loss))
        finally:
            if loss is None:
                again.extend(in_flight)
            self._workers.discard(worker)
            await worker.kill()
        if not isinstance(loss, _WithdrawnWorkError):
            _blame(in_flight)
        batches = map(_without_withdrawn, [*_second_chances(in_flight), *again])
        return deque(batch for batch in batches if batch)

    async def _answers(self, worker: WorkerProcess, batch: _Batch) -> list[Answer]:
        """Waits for answers to the first tasks of a batch.

        Raises:
            WorkerLostError: The worker is gone, is stuck, or works on what nobody waits for.
        """
        spec = self._spec
        receiving = asyncio.ensure_future(worker.receive())
        step_s = min(spec.answer_timeout_s, spec.withdrawn_grace_s or spec.answer_timeout_s)
        waited_s = 0.0
        try:
            while waited_s < spec.answer_timeout_s:
                done, _ = await asyncio.wait((receiving,), timeout=step_s)
                if done:
                    answers = receiving.result()
                    if len(answers) > len(batch):
                        raise WorkerLostError(f"worker {worker.pid} answers more than it was asked")
                    return answers
                waited_s += step_s
                if spec.withdrawn_grace_s is not None and batch[0].scores.cancelled():
                    batch.popleft()
                    raise _WithdrawnWorkError(
                        f"worker {worker.pid} has been at a withdrawn item for {waited_s:g} s"
                    )
        finally:
            receiving.cancel()
        raise WorkerLostError(f"worker {worker.pid} answered nothing for {waited_s:g} s")

    async def _next_batch(self) -> _Batch:
        """Waits for work and takes what there is of it, up to a batch."""
        return deque(await self._queue.take(self._spec.batch, takers=self._spec.workers))

    async def _replacement(self) -> WorkerProcess:
        for attempt in count():
            await asyncio.sleep(_RESTART_DELAYS_S[min(attempt, len(_RESTART_DELAYS_S) - 1)])
            try:
                worker = await self._start_worker()
            except Exception as error:  # noqa: BLE001 - a keeper that ends takes all work with it
                _log_event("scoring_worker_start_failed", pool=self._spec.name, reason=str(error))
            else:
                name, pid = self._spec.name, worker.pid
                _log_event("scoring_worker_replaced", "info", pool=name, worker_pid=pid)
                return worker
        raise AssertionError("unreachable")


def _settle(pending: _Pending, answer: Answer) -> None:
    if pending.scores.done():  # withdrawn in the meantime
        return
    if isinstance(answer, WorkerFailure):
        # First of all: the log's disk may be full, and the caller must not wait for ever for that.
        error = InternalError("the item could not be scored; the service's log has the details")
        pending.scores.set_exception(error)
        _log_event("scoring_failed", failure=answer.description)
    else:
        pending.scores.set_result(answer)


def _log_event(event: str, level: Literal["error", "info"] = "error", **fields: object) -> None:
    with suppress(OSError, ValueError):  # a log that cannot be written must not stop the work
        getattr(_log, level)(event, **fields)


def _fail(waiting: Iterable[_Pending], error: ServiceError) -> None:
    """Answers tasks that will not be scored.

    They are never cancelled: that is for their callers, who would take it for their own doing.
    """
    for pending in waiting:
        if not pending.scores.done():
            pending.scores.set_exception(error)
            pending.scores.exception()  # there may be nobody left to look at it


def _stopping() -> DrainingError:
    return DrainingError("the service is shutting down; send this to another one")


def _without_withdrawn(batch: _Batch) -> _Batch:
    return deque(pending for pending in batch if not pending.scores.done())


def _blame(lost: Sequence[_Batch]) -> None:
    """Gives up the tasks at which a worker was lost for the last time.

    A worker answers batch after batch, so that it was at the first of those it had.
    """
    for pending in lost[0] if lost else ():
        pending.losses += 1
        if pending.losses >= _MAX_LOSSES and not pending.scores.done():
            error = InternalError("a worker was lost twice while it scored this item")
            pending.scores.set_exception(error)


def _second_chances(lost: Sequence[_Batch]) -> list[_Batch]:
    """Says in which batches to score a lost worker's tasks again: its first batch one by one."""
    first = lost[0] if lost else ()
    return [*(deque((pending,)) for pending in first), *list(lost)[1:]]
