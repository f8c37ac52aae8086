"""What a stream holds of the requests that it has read."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.scoring.budget import Budget
from services.scoring.checks import ItemLimits, cut_item_id
from services.scoring.fair_queue import BatchBounds
from services.scoring.scorer import Scorer
from services.scoring.stream import ScoreStream
from services.scoring.worker_pool import PoolSpec, WorkerPool

LIMITS = ItemLimits(max_text_chars=100, max_entities=10, max_entity_chars=100)


class TrackedRequest(SimpleNamespace):
    """Reads as a request, and can be watched being let go, as a message cannot."""

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        return hasattr(self, name)


def scorer() -> Scorer:
    pool = WorkerPool(PoolSpec("cpu", (), 1, BatchBounds(1, 1), 1.0, None, 1.0))
    return Scorer(
        pool,
        None,
        single_budget=Budget(1, 1),
        stream_budget=Budget(8, 10_000),
        max_wait_s=1.0,
        good_batch_items=1,
    )


def stream_of(requests: AsyncIterator[TrackedRequest]) -> ScoreStream:
    typed = cast("AsyncIterator[pb.ScoreExplanationsRequest]", requests)
    return ScoreStream(typed, scorer(), LIMITS, 8, asyncio.Event())


@pytest.mark.parametrize("reference", ["A hat.", " "])  # a good item, and one that is refused
async def test_a_request_is_let_go_before_the_next_one_is_waited_for(reference: str) -> None:
    held: list[bool] = []
    asked_again = asyncio.Event()

    async def requests() -> AsyncIterator[TrackedRequest]:
        item = pb.ScoringItem(candidate="x", reference=reference)
        watched = []
        request = TrackedRequest(item_id="0", item=item, metrics=[], options=pb.ScoringOptions())
        watched.append(weakref.ref(request))
        # Only the stream may hold it while it is read.
        wrapped = [request]
        del request
        yield wrapped.pop()
        held.append(watched[0]() is not None)
        asked_again.set()

    answers = stream_of(requests()).answers()
    reading = asyncio.ensure_future(anext(answers, None))
    await asyncio.wait_for(asked_again.wait(), 10)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await answers.aclose()
    assert held == [False]


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [
        ("", ""),
        ("a" * 256, "a" * 256),
        ("a" * 257, "a" * 256),
        ("\u00e9" * 128, "\u00e9" * 128),
        # 255 bytes and half of a character of two: the half does not count.
        ("a" + "\u00e9" * 500, "a" + "\u00e9" * 127),
        # 63 characters of four bytes and one byte; three bytes are left.
        ("a" + "\U0001f3a8" * 500, "a" + "\U0001f3a8" * 63),
    ],
)
def test_an_id_is_cut_between_characters(item_id: str, expected: str) -> None:
    assert cut_item_id(item_id) == expected


async def test_answers_that_nobody_takes_do_not_hold_ids_over_the_limit() -> None:
    async def requests() -> AsyncIterator[TrackedRequest]:
        for _ in range(3):
            yield TrackedRequest(item_id="a" * 1_000_000)

    sizes = [answer.ByteSize() async for answer in stream_of(requests()).answers()]
    assert len(sizes) == 3
    assert max(sizes) < 1000
