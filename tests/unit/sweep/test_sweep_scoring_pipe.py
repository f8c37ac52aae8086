"""What becomes of explanations when the scoring service fails, item by item or as a whole."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from services.benchmark.records import Question, Setting, Split
from services.core.errors import (
    EngineUnavailableError,
    InternalError,
    InvalidRequestError,
    ServiceError,
)
from services.sweep.remote.clients import ScoringClient
from services.sweep.remote.messages import ScoringAnswer, ScoringRequest
from services.sweep.remote.retry import RetryBudget, RetryLimits
from services.sweep.run.scoring_pipe import ScoringPipe


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sweep.remote.retry._FIRST_BACKOFF_S", 0.001)


@dataclass(frozen=True, slots=True)
class Item:
    key: str
    question: Question
    reference_digest: str = ""


class ScriptedClient(ScoringClient):
    """Answers each item as it is told; an error that is raised loses the stream."""

    def __init__(self, fault: Callable[[str, int], ServiceError | None]) -> None:
        self._fault = fault
        self.asked = Counter[str]()
        self.lost_at: str = ""

    async def score(self, requests: AsyncIterator[ScoringRequest]) -> AsyncGenerator[ScoringAnswer]:
        async for request in requests:
            self.asked[request.item_id] += 1
            if request.item_id == self.lost_at:
                raise EngineUnavailableError("the stream was reset")
            error = self._fault(request.item_id, self.asked[request.item_id])
            yield ScoringAnswer(request.item_id, (), error)


async def scored(
    client: ScriptedClient, count: int
) -> tuple[dict[str, ServiceError | None], ScoringPipe[Item]]:
    """Submits so many items and gives what came of each, and the pipe when it is over."""
    came: dict[str, ServiceError | None] = {}

    def take(item: Item, answer: ScoringAnswer, attempts: int) -> None:
        came[item.key] = answer.error

    pipe: ScoringPipe[Item] = ScoringPipe(
        client,
        new_budget=lambda: RetryBudget(RetryLimits(3, 1.0), random.Random(0)),
        window=8,
        answered=take,
        stop=asyncio.Event(),
    )
    for number in range(count):
        assert pipe.submit(Item(f"item-{number}", question()), "text")
    pipe.close()
    async with asyncio.timeout(30):
        await pipe.run()
    return came, pipe


def question() -> Question:
    return Question(
        id="1",
        question_id="1",
        artwork="work",
        title="Work",
        section="History",
        setting=Setting.WITH_TITLE,
        split=Split.TEST_SEEN,
        instruction="Explain.",
        reference="It is old.",
        entities=(),
        image="work.png",
    )


async def test_a_service_that_fails_at_every_item_is_given_up() -> None:
    client = ScriptedClient(lambda item, attempt: InternalError("the disk is full"))
    came, pipe = await scored(client, 100)
    assert pipe.lost is not None
    assert pipe.lost.message == "the disk is full"
    # The twentieth failure ends it: the other 80 cost the service nothing.
    assert len(came) == 20


async def test_a_fault_that_passes_costs_no_item() -> None:
    client = ScriptedClient(lambda item, attempt: InternalError("once") if attempt == 1 else None)
    came, pipe = await scored(client, 100)
    assert pipe.lost is None
    assert came == {f"item-{number}": None for number in range(100)}


async def test_items_that_are_refused_for_their_own_sake_do_not_end_the_scoring() -> None:
    client = ScriptedClient(lambda item, attempt: InvalidRequestError("too long"))
    came, pipe = await scored(client, 100)
    assert pipe.lost is None
    assert len(came) == 100


async def test_an_item_that_loses_the_stream_keeps_no_other_from_being_scored() -> None:
    client = ScriptedClient(lambda item, attempt: None)
    client.lost_at = "item-0"
    came, pipe = await scored(client, 100)
    assert set(came) == {f"item-{number}" for number in range(1, 100)}
    assert pipe.lost is not None
