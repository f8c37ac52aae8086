"""When a single call is refused for what is pending already."""

import pytest

from services.core.errors import OverloadedError
from services.scoring.budget import Budget
from services.scoring.fair_queue import BatchBounds
from services.scoring.scorer import Scorer
from services.scoring.worker_pool import PoolSpec, WorkerPool


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def scorer(*, max_wait_s: float, pending: int = 5) -> Scorer:
    """A scorer that has done 500 bytes in 1 s; 100 bytes an item are pending."""
    clock = Clock()
    budget = Budget(max_items=20, max_bytes=10_000, clock=clock)
    for _ in range(pending + 5):
        budget.take_now(100)
    clock.now_s = 1.0
    for _ in range(5):
        budget.give_back(100, done=True)
    pool = WorkerPool(PoolSpec("cpu", (), 1, BatchBounds(1, 1), 1.0, None, 1.0))
    return Scorer(
        pool,
        None,
        single_budget=budget,
        stream_budget=Budget(1, 1),
        max_wait_s=max_wait_s,
        good_batch_items=5,
    )


def test_what_will_be_done_in_time_is_let_in() -> None:
    scorer(max_wait_s=1.5).check_room(100, None)  # 500 bytes are pending: 1 s
    scorer(max_wait_s=1.5).check_room(100, 60.0)
    scorer(max_wait_s=1.5).check_room(100, 1.1)


@pytest.mark.parametrize(("max_wait_s", "remaining_s"), [(0.9, None), (5.0, 0.9)])
def test_what_would_wait_too_long_is_told_when_to_come_back(
    max_wait_s: float, remaining_s: float | None
) -> None:
    with pytest.raises(OverloadedError) as caught:
        scorer(max_wait_s=max_wait_s).check_room(100, remaining_s)
    assert caught.value.message == (
        "too much is waiting to be scored: what is pending will take 1.0 s, and 0.9 s is the most"
    )
    assert caught.value.retry_after_s == pytest.approx(0.5)  # half of it is done by then


def test_a_batch_is_let_in_however_long_it_takes() -> None:
    scorer(max_wait_s=0.1, pending=4).check_room(100, 0.1)


@pytest.mark.parametrize(("pending", "cost_bytes"), [(20, 100), (5, 9_501)])
def test_what_finds_no_room_is_told_the_limits(pending: int, cost_bytes: int) -> None:
    with pytest.raises(OverloadedError) as caught:
        scorer(max_wait_s=60.0, pending=pending).check_room(cost_bytes, None)
    assert caught.value.message == (
        "too much is waiting to be scored: 20 items or 10000 bytes are pending"
    )
    assert caught.value.metadata == {"max_pending_items": "20", "max_pending_bytes": "10000"}
    assert 0.1 <= caught.value.retry_after_s <= 30
