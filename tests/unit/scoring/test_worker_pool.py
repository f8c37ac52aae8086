"""A pool with workers that do not do as they should."""

import asyncio
import errno
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import structlog
from structlog.testing import capture_logs

from services.core.errors import DrainingError, InternalError, UserInputError
from services.metrics import ScoringOptions
from services.scoring import worker_pool
from services.scoring.fair_queue import BatchBounds, Caller, Lane
from services.scoring.task import ScoringTask
from services.scoring.worker_pool import PoolSpec, WorkerPool
from services.scoring.worker_process import WorkerLostError, WorkerProcess
from services.telemetry.logging import bind_request

TIMEOUT_S = 60.0
TASK = ScoringTask("c", "r", (), ("length",), ScoringOptions())

# What a worker is made of; "answer" is what it does with each batch.
SCRIPT = """
import pickle, sys, time
def say(payload):
    sys.stdout.buffer.write(len(payload).to_bytes(4, "big") + payload)
    sys.stdout.buffer.flush()
say(pickle.dumps({greeting}))
while header := sys.stdin.buffer.read(4):
    tasks = pickle.loads(sys.stdin.buffer.read(int.from_bytes(header, "big")))
    {answer}
"""


def scripted(answer: str, greeting: str = "('', '')", start_timeout_s: float = 30.0) -> WorkerPool:
    script = SCRIPT.format(greeting=greeting, answer=answer)
    return WorkerPool(
        PoolSpec(
            name="scripted",
            command=(sys.executable, "-c", script),
            workers=1,
            batch=BatchBounds(4, 1000),
            answer_timeout_s=30.0,
            withdrawn_grace_s=1.0,
            start_timeout_s=start_timeout_s,
        )
    )


@asynccontextmanager
async def running(pool: WorkerPool) -> AsyncIterator[WorkerPool]:
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


@pytest.mark.parametrize(
    "answer",
    [
        "say(b'nonsense')",
        "say(pickle.dumps([b''] * 5))",  # more than a batch may have
        "say(pickle.dumps([b'no message']))",
        "sys.exit(1)",
    ],
)
async def test_an_item_at_which_two_workers_fail_is_given_up(answer: str) -> None:
    async with running(scripted(answer)) as pool:
        scores = pool.submit(TASK, Caller(Lane.SINGLE))
        async with asyncio.timeout(TIMEOUT_S):
            with pytest.raises(InternalError, match="lost twice"):
                await scores


async def test_answers_may_come_one_by_one() -> None:
    # ItemScores with one Score, whose metric is the task's candidate.
    score = "bytes([10, 2 + len(task[0]), 10, len(task[0])]) + task[0].encode()"
    async with running(scripted(f"[say(pickle.dumps([{score}])) for task in tasks]")) as pool:
        caller = Caller(Lane.STREAM)
        names = [f"no {number}" for number in range(10)]
        waiting = [
            pool.submit(ScoringTask(name, "r", (), ("length",), ScoringOptions()), caller)
            for name in names
        ]
        async with asyncio.timeout(TIMEOUT_S):
            answers = await asyncio.gather(*waiting)
    assert [answer.scores[0].metric for answer in answers] == names


async def test_a_worker_that_cannot_load_its_encoder_says_why() -> None:
    pool = scripted("pass", greeting="('', 'no such model')")
    with pytest.raises(UserInputError, match="no such model"):
        await pool.start()
    assert pool.pids == ()


async def test_the_encoder_of_the_workers_is_that_of_the_pool() -> None:
    async with running(scripted("pass", greeting="('mini|layer:3', '')")) as pool:
        assert pool.encoder == "mini|layer:3"


async def test_a_worker_that_is_never_warm_is_an_error() -> None:
    pool = scripted("pass", greeting="time.sleep(30)", start_timeout_s=0.3)
    with pytest.raises(WorkerLostError, match=r"was not warm after 0\.3 s"):
        await pool.start()


async def test_what_is_pending_when_the_pool_stops_was_not_cancelled_by_its_callers() -> None:
    async with running(scripted("time.sleep(30)")) as pool:
        # One batch of 4 is being scored, the next lies in the pipe, the third waits.
        waiting = [pool.submit(TASK, Caller(Lane.SINGLE)) for _ in range(12)]
        await asyncio.sleep(0.2)
    for scores in waiting:
        with pytest.raises(DrainingError):
            await scores


async def test_a_fault_of_ours_fails_what_it_met_and_nothing_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send, is_first = WorkerProcess.send, True

    async def faulty(worker: WorkerProcess, tasks: Sequence[ScoringTask]) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            raise ValueError("a fault")
        await send(worker, tasks)

    monkeypatch.setattr(WorkerProcess, "send", faulty)
    async with running(scripted("say(pickle.dumps([b''] * len(tasks)))")) as pool:
        async with asyncio.timeout(TIMEOUT_S):
            with pytest.raises(InternalError, match="could not be used"):
                await pool.submit(TASK, Caller(Lane.SINGLE))
            assert not (await pool.submit(TASK, Caller(Lane.SINGLE))).scores


async def test_a_log_that_cannot_be_written_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FullDisk:
        def error(self, event: str, **fields: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker_pool, "_log", FullDisk())
    # The first task cannot be scored, which is logged.
    answer = "say(pickle.dumps(['a fault'] if tasks[0][0] == 'bad' else [b''] * len(tasks)))"
    async with running(scripted(answer)) as pool:
        bad = ScoringTask("bad", "r", (), ("length",), ScoringOptions())
        async with asyncio.timeout(TIMEOUT_S):
            with pytest.raises(InternalError, match="could not be scored"):
                await pool.submit(bad, Caller(Lane.SINGLE))
            assert not (await pool.submit(TASK, Caller(Lane.SINGLE))).scores


async def test_what_could_not_be_scored_is_logged_as_its_callers() -> None:
    async with running(scripted("say(pickle.dumps(['a fault'] * len(tasks)))")) as pool:

        async def ask(name: str) -> None:
            bind_request(name, "")
            with pytest.raises(InternalError, match="could not be scored"):
                await pool.submit(TASK, Caller(Lane.SINGLE))

        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
            async with asyncio.timeout(TIMEOUT_S):
                await asyncio.gather(ask("first"), ask("second"))
    assert {(event["event"], event["request_id"]) for event in events} == {
        ("scoring_failed", "first"),
        ("scoring_failed", "second"),
    }
