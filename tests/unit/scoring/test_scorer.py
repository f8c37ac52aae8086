"""The scorer and its pool of workers, with real processes."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.core.errors import DrainingError, InternalError, OverloadedError
from services.metrics import ScoringOptions
from services.scoring.build import build_scorer
from services.scoring.fair_queue import Caller, Lane
from services.scoring.pending import Pending, blame, second_chances
from services.scoring.scorer import FutureScores, Scorer
from services.scoring.settings import ScoringSettings
from services.scoring.task import ScoringTask

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT_S = 60.0
STREAM = Caller(Lane.STREAM)


def task(number: int, metrics: tuple[str, ...] = ("ec_exact",)) -> ScoringTask:
    text = f"Work {number} hangs in the Louvre."
    return ScoringTask(text, text, (f"Work {number}", "Rome"), metrics, ScoringOptions())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scorer() -> AsyncIterator[Scorer]:
    settings = ScoringSettings(
        workers=1, batch_items=4, answer_timeout_s=1.0, max_pending_items=100
    )
    started = build_scorer(settings)
    await started.start()
    yield started
    await started.stop()


async def test_tasks_are_scored_and_room_comes_back(scorer: Scorer) -> None:
    for _ in range(3):
        waiting = [scorer.submit_now(task(number)) for number in range(50)]
        with pytest.raises(OverloadedError):
            scorer.submit_now(task(50))
        async with asyncio.timeout(TIMEOUT_S):
            scores = await asyncio.gather(*waiting)
        assert [[score.value for score in one.scores] for one in scores] == [[0.5]] * 50


async def test_a_failing_task_fails_alone(scorer: Scorer) -> None:
    # The service would have refused a metric that is not there.
    bad = scorer.submit_now(task(0, ("no such metric",)))
    good = scorer.submit_now(task(1))
    async with asyncio.timeout(TIMEOUT_S):
        with pytest.raises(InternalError, match="could not be scored"):
            await bad
        assert (await good).scores[0].value == 0.5


async def test_a_withdrawn_task_gives_its_room_back(scorer: Scorer) -> None:
    waiting = [scorer.submit_now(task(number)) for number in range(50)]
    for scores in waiting:
        scores.cancel()
    async with asyncio.timeout(TIMEOUT_S):
        again = [await scorer.submit(task(number), STREAM) for number in range(50)]
        scores = await asyncio.gather(*again)
    assert len(scores) == 50


async def test_a_stuck_worker_is_replaced_and_its_tasks_are_scored(scorer: Scorer) -> None:
    [stuck] = scorer.worker_pids
    os.kill(stuck, signal.SIGSTOP)
    waiting = [scorer.submit_now(task(number)) for number in range(10)]
    async with asyncio.timeout(TIMEOUT_S):
        scores = await asyncio.gather(*waiting)
    assert [one.scores[0].value for one in scores] == [0.5] * 10
    assert stuck not in scorer.worker_pids


async def test_who_shares_a_batch_with_a_withdrawn_item_is_scored_by_another_worker() -> None:
    settings = ScoringSettings(workers=1, batch_items=4, withdrawn_grace_s=0.2)
    scorer = build_scorer(settings)
    await scorer.start()
    try:
        [stuck] = scorer.worker_pids
        os.kill(stuck, signal.SIGSTOP)
        # All four are in the batch that the worker is given first.
        withdrawn, *waiting = [scorer.submit_now(task(number)) for number in range(4)]
        await asyncio.sleep(0.1)
        withdrawn.cancel()
        async with asyncio.timeout(TIMEOUT_S):
            scores = await asyncio.gather(*waiting)
        assert [one.scores[0].value for one in scores] == [0.5] * 3
        assert stuck not in scorer.worker_pids
    finally:
        await scorer.stop()


async def test_a_withdrawn_item_behind_a_wanted_one_costs_no_worker() -> None:
    settings = ScoringSettings(workers=1, batch_items=4, withdrawn_grace_s=0.1)
    scorer = build_scorer(settings)
    await scorer.start()
    try:
        [worker] = scorer.worker_pids
        os.kill(worker, signal.SIGSTOP)
        wanted, withdrawn = [scorer.submit_now(task(number)) for number in range(2)]
        await asyncio.sleep(0.1)
        withdrawn.cancel()
        await asyncio.sleep(0.5)
        os.kill(worker, signal.SIGCONT)
        async with asyncio.timeout(TIMEOUT_S):
            assert (await wanted).scores[0].value == 0.5
        assert scorer.worker_pids == (worker,)
    finally:
        await scorer.stop()


async def test_what_is_pending_at_the_end_is_told_so() -> None:
    scorer = build_scorer(ScoringSettings(workers=1, batch_items=1))
    await scorer.start()
    [worker] = scorer.worker_pids
    os.kill(worker, signal.SIGSTOP)
    waiting = [scorer.submit_now(task(number)) for number in range(5)]
    await asyncio.sleep(0.1)
    await scorer.stop()
    assert all(isinstance(scores.exception(), DrainingError) for scores in waiting)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


async def test_a_task_that_lost_two_workers_fails_and_its_neighbours_do_not() -> None:
    def waiting(losses: int) -> Pending:
        scores: FutureScores = asyncio.get_running_loop().create_future()
        return Pending(task(0), scores, losses)

    first, suspect, withdrawn, behind = waiting(0), waiting(1), waiting(0), waiting(1)
    withdrawn.scores.cancel()

    lost = [deque([first, suspect, withdrawn]), deque([behind])]
    blame(lost)

    # The worker was at the first batch; what it had not begun is not held responsible.
    assert (first.losses, behind.losses) == (1, 1)
    with pytest.raises(InternalError, match="lost twice"):
        suspect.scores.result()
    assert not first.scores.done()
    again = second_chances(lost)
    assert [list(batch) for batch in again] == [[first], [suspect], [withdrawn], [behind]]
