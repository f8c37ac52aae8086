"""Feeds explanations to the scoring service over one stream, which is reopened when it is lost."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from services.core.errors import EngineUnavailableError, ServiceError
from services.sweep.remote.clients import ScoringClient
from services.sweep.remote.messages import ScoringAnswer, ScoringRequest
from services.sweep.remote.retry import RetryBudget, is_final
from services.sweep.run.score_rows import Scorable
from services.telemetry import tracer
from services.telemetry.propagation import TraceContext, current_trace
from services.telemetry.tracer import OpenSpan
from services.telemetry.tracing import Attribute, Span

_log = structlog.get_logger()

# Explanations that may wait for a slow scoring service before they are left to the tables, from
# which they are read back once there is room: about 20 MB at a few kilobytes each.
_MOST_WAITING = 4096
# Items that fail in a row by the service's fault, after which all the others would fail as well.
_MOST_FAILURES_IN_A_ROW = 20

ItemT = TypeVar("ItemT", bound=Scorable)


@dataclass(slots=True)
class _Item(Generic[ItemT]):
    scored: ItemT
    text: str
    budget: RetryBudget
    # What it is part of: the question that it answers.
    trace: TraceContext | None
    span: OpenSpan = tracer.NO_SPAN


@dataclass(slots=True)
class _Items(Generic[ItemT]):
    waiting: deque[_Item[ItemT]] = field(default_factory=deque)
    sent: dict[str, _Item[ItemT]] = field(default_factory=dict)
    # Items that wait for their turn to be tried again.
    resting: int = 0

    @property
    def count(self) -> int:
        return len(self.waiting) + len(self.sent) + self.resting


class ScoringPipe(Generic[ItemT]):
    """Takes explanations without ever making the caller wait, and hands their scores on.

    Args:
        client: The scoring service.
        new_budget: Makes the retry budget of one item, or of the stream.
        window: Most items at the service at the same time.
        answered: Told what came of an item, with its attempts.
        stop: When set, nothing is tried again; what was submitted is still scored.

    Attributes:
        lost: Why the service was given up, if it was.
    """

    def __init__(
        self,
        client: ScoringClient,
        *,
        new_budget: Callable[[], RetryBudget],
        window: int,
        answered: Callable[[ItemT, ScoringAnswer, int], None],
        stop: asyncio.Event,
    ) -> None:
        self._client = client
        self._new_budget = new_budget
        self._window = window
        self._answered = answered
        self._stop = stop
        self._items: _Items[ItemT] = _Items()
        self._changed = asyncio.Event()
        self._is_closed = False
        self._answered_count = 0
        self._stream_number = 0
        self._failures_in_a_row = 0
        self.lost: ServiceError | None = None

    def submit(self, scored: ItemT, text: str) -> bool:
        """Takes an explanation, which must be in the journal already.

        Returns:
            False when too much is waiting or the service was given up; the explanation then stays
            unscored in the tables.
        """
        if self.lost is not None or self._items.count >= _MOST_WAITING:
            return False
        self._items.waiting.append(_Item(scored, text, self._new_budget(), current_trace()))
        self._notify()
        return True

    async def submit_patiently(self, scored: ItemT, text: str) -> bool:
        """Takes an explanation as soon as there is room; False once there never will be."""
        while not self.submit(scored, text):
            if self.lost is not None or self._stop.is_set():
                return False
            await self._changed.wait()
        return True

    def close(self) -> None:
        """Says that nothing more will be submitted."""
        self._is_closed = True
        self._notify()

    async def run(self) -> None:
        """Scores what is submitted until closed and empty, stopped, or the service is given up."""
        watcher = asyncio.create_task(self._watch_stop())
        try:
            await self._score_all()
        finally:
            watcher.cancel()
            self._end_spans(asyncio.CancelledError())
            self._notify()

    async def _score_all(self) -> None:
        budget = self._new_budget()
        while not self._is_over():
            if not self._items.waiting:
                await self._changed.wait()
                continue
            answered_before = self._answered_count
            try:
                await self._stream()
            except ServiceError as error:
                if self._answered_count > answered_before:
                    budget = self._new_budget()
                delay = budget.delay_after(error)
                _log.warning(
                    "scoring_stream_lost",
                    reason=error.reason,
                    message=error.message,
                    retry_in_s=delay,
                )
                self._take_back(error)
                if self._stop.is_set() or self.lost is not None:
                    return  # the next run scores what is left
                if delay is None:
                    self.lost = error
                    return
                await self._rest(delay)

    async def _stream(self) -> None:
        self._stream_number += 1
        try:
            requests = self._requests(self._stream_number)
            async with aclosing(self._client.score(requests)) as answers:
                async for answer in answers:
                    self._take(answer)
        finally:
            self._stream_number += 1
        if self._items.sent:
            raise EngineUnavailableError("the scoring stream ended before all was answered")

    def _take(self, answer: ScoringAnswer) -> None:
        item = self._items.sent.pop(answer.item_id, None)
        if item is None:  # answered twice, or never asked
            _log.warning("scoring_answer_unexpected", item_id=answer.item_id)
            return
        self._answered_count += 1
        tracer.end_as(item.span, answer.error)
        self._settle(item, answer)
        self._notify()
        if self.lost is not None:
            raise self.lost

    async def _requests(self, stream_number: int) -> AsyncIterator[ScoringRequest]:
        # gRPC may go on reading for a stream that is lost: that one must not get another item.
        while not self._is_over() and stream_number == self._stream_number:
            if not self._items.waiting or len(self._items.sent) >= self._window:
                await self._changed.wait()
                continue
            item = self._items.waiting.popleft()
            self._items.sent[item.scored.key] = item
            item.span = _begin_span(item)
            question = item.scored.question
            yield ScoringRequest(item.scored.key, item.text, question.reference, question.entities)

    def _settle(self, item: _Item[ItemT], answer: ScoringAnswer) -> None:
        delay = None if answer.error is None else item.budget.delay_after(answer.error)
        if delay is None:
            self._answered(item.scored, answer, item.budget.attempts)
            self._judge(answer.error)
            return
        self._items.resting += 1
        asyncio.get_running_loop().call_later(delay, self._wake, item)

    def _judge(self, error: ServiceError | None) -> None:
        """Gives the service up if the other items would fare no better."""
        if error is None:
            self._failures_in_a_row = 0
        elif not is_final(error):
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= _MOST_FAILURES_IN_A_ROW:
                self.lost = error

    def _wake(self, item: _Item[ItemT]) -> None:
        self._items.resting -= 1
        self._items.waiting.append(item)
        self._notify()

    def _take_back(self, lost: ServiceError) -> None:
        """Puts what a lost stream left unanswered back into the queue.

        At its end: should one of these be what loses streams, the others are scored before it.
        """
        self._end_spans(lost)
        self._items.waiting.extend(self._items.sent.values())
        self._items.sent.clear()

    def _end_spans(self, why: BaseException) -> None:
        for item in self._items.sent.values():
            tracer.end_as(item.span, why)
            item.span = tracer.NO_SPAN

    def _is_over(self) -> bool:
        if not self._is_closed:
            return False
        items = self._items
        # Once the sweep is stopped, nobody waits for what is to be tried again later.
        left = len(items.waiting) + len(items.sent) if self._stop.is_set() else items.count
        return left == 0

    def _notify(self) -> None:
        # A new event each time: whoever waited on the old one cannot miss that it was set.
        self._changed.set()
        self._changed = asyncio.Event()

    async def _watch_stop(self) -> None:
        await self._stop.wait()
        self._notify()

    async def _rest(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stop.wait()
        except TimeoutError:
            pass  # rested


def _begin_span(item: _Item[ItemT]) -> OpenSpan:
    if not tracer.is_tracing():
        return tracer.NO_SPAN
    # Called in the task that sends the stream's requests: what is current there is the stream.
    stream = current_trace()
    return tracer.start(
        Span.SCORE,
        {Attribute.REQUEST_ID: item.scored.key},
        parent=item.trace,
        links=[stream] if stream is not None and item.trace is not None else [],
    )
