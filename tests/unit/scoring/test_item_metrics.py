"""Every item is counted once, however it ends."""

import asyncio
from contextlib import suppress

from services.core.errors import DrainingError, InternalError
from services.metrics import ScoringOptions
from services.scoring.budget import Budget
from services.scoring.fair_queue import BatchBounds, Caller, Lane
from services.scoring.scorer import FutureScores, Scorer
from services.scoring.task import ScoringTask
from services.scoring.worker_pool import PoolSpec, WorkerPool
from services.telemetry.instruments import Metrics
from services.telemetry.scoring_metrics import ScoringMetrics

STREAM = Caller(Lane.STREAM)
TASK = ScoringTask("A hat.", "A hat.", (), ("length",), ScoringOptions())


def scorer(metrics: Metrics, *, stream_items: int = 8) -> Scorer:
    """A scorer whose workers never come."""
    pool = WorkerPool(PoolSpec("cpu", (), 1, BatchBounds(1, 1), 1.0, None, 1.0))
    return Scorer(
        pool,
        None,
        single_budget=Budget(8, 10_000),
        stream_budget=Budget(stream_items, 10_000),
        max_wait_s=1.0,
        good_batch_items=1,
        metrics=metrics,
    )


def told(metrics: Metrics, lane: Lane) -> dict[str, object]:
    found = metrics.values(ScoringMetrics.ITEMS).items()
    return {outcome: count for (of, outcome), count in found if of == lane.value and count}


async def test_an_item_whose_caller_leaves_before_there_is_room_is_withdrawn() -> None:
    metrics = Metrics()
    one_at_a_time = scorer(metrics, stream_items=1)
    first = await one_at_a_time.submit(TASK, STREAM)
    second = asyncio.create_task(one_at_a_time.submit(TASK, STREAM))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert told(metrics, Lane.STREAM) == {"withdrawn": 1}
    first.cancel()
    await asyncio.sleep(0)
    assert told(metrics, Lane.STREAM) == {"withdrawn": 2}
    assert metrics.values(ScoringMetrics.PENDING_ITEMS)["stream",] == 0


async def test_a_fault_is_a_failure_and_the_end_of_the_service_a_refusal() -> None:
    metrics = Metrics()
    service = scorer(metrics)

    async def end(scores: FutureScores, error: Exception) -> None:
        scores.set_exception(error)
        with suppress(InternalError, DrainingError):
            await scores

    await end(service.submit_now(TASK), InternalError("lost twice"))
    await end(service.submit_now(TASK), DrainingError("the end"))
    await asyncio.sleep(0)
    assert told(metrics, Lane.SINGLE) == {"failed": 1, "refused": 1}
    assert metrics.values(ScoringMetrics.METRIC_ITEMS)["length",] == 0
