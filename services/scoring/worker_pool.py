"""A pool of worker processes: keeps them busy, and replaces those that are lost."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from typing import Literal

import structlog

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import InternalError
from services.scoring.fair_queue import BatchBounds, Caller, FairQueue
from services.scoring.pending import (
    Batch,
    Pending,
    blame,
    fail,
    second_chances,
    stopping,
    without_withdrawn,
)
from services.scoring.pool_metrics import PoolMetrics
from services.scoring.task import Answer, ScoringTask, WorkerFailure
from services.scoring.worker_process import WorkerLostError, WorkerProcess
from services.telemetry.instruments import Metrics

_log = structlog.get_logger()

# While a worker scores one batch the next already lies in its pipe.
_BATCHES_PER_WORKER = 2

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


class WorkerPool:
    """Scores tasks on worker processes.

    Args:
        spec: What to run, and how.
        metrics: Where Prometheus finds what is counted; by default nowhere.
    """

    def __init__(self, spec: PoolSpec, metrics: Metrics | None = None) -> None:
        self._spec = spec
        self._metrics = PoolMetrics(
            metrics or Metrics(), spec.name, wanted=spec.workers, up=lambda: len(self._workers)
        )
        self._queue: FairQueue[Pending] = FairQueue()  # the submitters' budgets bound it
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
            fail(await self._queue.take(self._spec.batch, takers=1), stopping())

    def submit(self, task: ScoringTask, caller: Caller) -> asyncio.Future[pb.ItemScores]:
        """Enters a task. Cancel the future to withdraw it."""
        scores: asyncio.Future[pb.ItemScores] = asyncio.get_running_loop().create_future()
        pending = Pending(task, scores)
        self._queue.put(caller, pending, task.cost_bytes)

        def withdraw(scores: asyncio.Future[pb.ItemScores]) -> None:
            if scores.cancelled():
                self._queue.remove(caller, pending)

        scores.add_done_callback(withdraw)
        return scores

    async def _start_worker(self) -> WorkerProcess:
        command, timeout_s = self._spec.command, self._spec.start_timeout_s
        return await WorkerProcess.start(command, timeout_s, self._metrics.reported)

    async def _keep_working(self, worker: WorkerProcess) -> None:
        """Has one worker score batch after batch; goes on with another when it is lost."""
        again: deque[Batch] = deque()
        try:
            while True:
                try:
                    again = await self._use(worker, again)
                except Exception as error:  # noqa: BLE001 - whoever waits must learn of a fault
                    fail(chain.from_iterable(again), InternalError("a worker could not be used"))
                    _log_event("scoring_fault", pool=self._spec.name, fault=repr(error))
                    again = deque()
                worker = await self._replacement()
        finally:  # the service ends
            fail(chain.from_iterable(again), stopping())

    async def _use(self, worker: WorkerProcess, again: deque[Batch]) -> deque[Batch]:
        """Uses a worker until it is lost.

        Args:
            worker: A warm worker; gone on return.
            again: Batches to be scored before any other. When this is cancelled, it holds all that
                is unanswered.

        Returns:
            What has to be scored again.
        """
        in_flight: deque[Batch] = deque()
        sent = asyncio.Semaphore(0)
        room = asyncio.Semaphore(_BATCHES_PER_WORKER)

        async def send() -> None:
            while True:
                await room.acquire()
                batch = again.popleft() if again else await self._next_batch()
                in_flight.append(batch)
                self._metrics.sent(worker.pid, len(batch))
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
                self._metrics.answered(worker.pid, batches_left=len(in_flight))
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
            self._metrics.lost()
            name, pid = self._spec.name, worker.pid
            _log_event("scoring_worker_lost", pool=name, worker_pid=pid, reason=str(loss))
        finally:
            if loss is None:
                again.extend(in_flight)
            self._workers.discard(worker)
            self._metrics.answered(worker.pid, batches_left=0)
            await worker.kill()
        if not isinstance(loss, _WithdrawnWorkError):
            blame(in_flight)
        batches = map(without_withdrawn, [*second_chances(in_flight), *again])
        return deque(batch for batch in batches if batch)

    async def _answers(self, worker: WorkerProcess, batch: Batch) -> list[Answer]:
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

    async def _next_batch(self) -> Batch:
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


def _settle(pending: Pending, answer: Answer) -> None:
    if pending.scores.done():  # withdrawn in the meantime
        return
    if isinstance(answer, WorkerFailure):
        # First of all: the log's disk may be full, and the caller must not wait for ever for that.
        error = InternalError("the item could not be scored; the service's log has the details")
        pending.scores.set_exception(error)
        pending.context.run(_log_event, "scoring_failed", failure=answer.description)
    else:
        pending.scores.set_result(answer)


def _log_event(event: str, level: Literal["error", "info"] = "error", **fields: object) -> None:
    with suppress(OSError, ValueError):  # a log that cannot be written must not stop the work
        getattr(_log, level)(event, **fields)
