"""Scores rows by a scoring service, over one stream that is opened anew when it is lost."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from grpc import aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    ServiceError,
    TransientError,
)
from services.rpc.status import error_from_rpc
from services.scoring.score_file.messages import (
    item_error_from_pb,
    options_to_pb,
    row_to_pb,
    scores_from_pb,
)
from services.scoring.score_file.offer import chosen_metrics
from services.scoring.score_file.patience import Patience
from services.scoring.score_file.row import FileRow
from services.scoring.score_file.row_scorer import (
    ScoredMetric,
    ScoreFileError,
    Scores,
    ScoringChoice,
)

if TYPE_CHECKING:
    from types import TracebackType

    Stream = aio.StreamStreamCall[pb.ScoreExplanationsRequest, pb.ScoreExplanationsResponse]

# The contract's service config lets no message be larger.
MAX_ROW_BYTES = 16 * 2**20

# What grpc.aio (_call.py, grpcio 1.85) reports instead of the server's status when a message is
# written to a stream that the server has just ended.
_LOST_WHILE_WRITING = "Internal error from Core"

_LIST_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0
# Longer than the service lets a worker be stuck before it replaces it.
_SILENCE_TIMEOUT_S = 300.0


@dataclass(slots=True, eq=False)
class _Item:
    request: pb.ScoreExplanationsRequest
    scores: asyncio.Future[Scores]
    patience: Patience


class RemoteRowScorer:
    """Scores rows by a service.

    Args:
        address: Where the service is, for people.
        open_channel: Opens a channel to it; called anew for every stream, so that a channel's own
            pause between two attempts to connect does not add to ours.
        choice: What every row is asked for.
        patience_s: How long to go on trying while the service answers nothing but that it cannot
            answer now.
        notify: Told when the service is lost, and when it is back.

    Attributes:
        place: Where rows are scored, for people.
        metrics: What rows are scored by, in the order of their scores; known once entered.
    """

    def __init__(
        self,
        address: str,
        open_channel: Callable[[], aio.Channel],
        choice: ScoringChoice,
        *,
        patience_s: float,
        notify: Callable[[str], None],
    ) -> None:
        self.place = address
        self.metrics: tuple[ScoredMetric, ...] = ()
        self._open_channel = open_channel
        self._choice = choice
        self._patience_s = patience_s
        self._patience = Patience(patience_s, address)
        self._notify = notify
        self._options = options_to_pb(choice.options)
        self._names: tuple[str, ...] = ()
        self._waiting: deque[_Item] = deque()
        self._sent: dict[str, _Item] = {}
        self._resting: set[_Item] = set()
        self._has_waiting = asyncio.Event()
        self._is_closing = False
        self._heard_s = 0.0
        self._failure: Exception | None = None
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, row: FileRow) -> asyncio.Future[Scores]:
        """Takes a row to be scored.

        Raises:
            ExpArtError: The service was given up.
        """
        if self._failure is not None:
            raise self._failure
        scores: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
        request = row_to_pb(row, self._names, self._options)
        if (size := request.ByteSize()) > MAX_ROW_BYTES:
            scores.set_exception(
                InvalidRequestError(f"a row must have at most {MAX_ROW_BYTES} bytes, has {size}")
            )
        else:
            self._enqueue(_Item(request, scores, Patience(self._patience_s, self.place)))
        return scores

    async def __aenter__(self) -> Self:
        """Asks the service what it offers, and opens the stream.

        Raises:
            UserInputError: The service has no metric of one of the names, or lacks what it needs.
            ServiceError: It is not there, or refuses the caller.
        """
        async with self._open_channel() as channel:
            try:
                offer = await pb_grpc.ScoringServiceStub(channel).ListMetrics(
                    pb.ListMetricsRequest(options=self._options), timeout=_LIST_TIMEOUT_S
                )
            except aio.AioRpcError as failure:
                error = error_from_rpc(failure)
                raise type(error)(f"{self.place}: {error.message}") from failure
        self.metrics = chosen_metrics(self._choice.metrics, offer.metrics)
        self._names = tuple(metric.name for metric in self.metrics)
        self._runner = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        runner = self._runner
        assert runner is not None
        self._is_closing = True
        self._has_waiting.set()
        if kind is None:
            await asyncio.wait({runner}, timeout=_CLOSE_TIMEOUT_S)
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)

    def _enqueue(self, item: _Item) -> None:
        self._waiting.append(item)
        self._has_waiting.set()

    def _enqueue_rested(self, item: _Item) -> None:
        if item in self._resting:  # not given up in the meantime
            self._resting.discard(item)
            self._enqueue(item)

    async def _run(self) -> None:
        """Streams until closed or given up; what is unanswered when a stream is lost goes again."""
        try:
            while not (self._is_closing and not self._waiting and not self._sent):
                try:
                    await self._stream()
                except ServiceError as error:
                    now_s = asyncio.get_running_loop().time()
                    delay_s = self._patience.delay_after(error, now_s)
                    self._notify(f"{self.place}: {error.message}; trying again in {delay_s:.1f} s")
                    await asyncio.sleep(delay_s)
        except Exception as error:  # noqa: BLE001 - whoever waits for scores must learn of it
            self._give_up(error)

    async def _stream(self) -> None:
        async with self._open_channel() as channel:
            call: Stream = pb_grpc.ScoringServiceStub(channel).ScoreExplanations()
            self._heard_s = asyncio.get_running_loop().time()
            helpers = [
                asyncio.create_task(self._send(call)),
                asyncio.create_task(self._watch(call)),
            ]
            try:
                while isinstance(response := await call.read(), pb.ScoreExplanationsResponse):
                    self._take(response)
                if self._sent:
                    raise EngineUnavailableError("the stream ended before all was answered")
            except aio.AioRpcError as failure:
                if failure.details() == _LOST_WHILE_WRITING:
                    raise EngineUnavailableError("the stream was lost") from failure
                raise error_from_rpc(failure) from failure
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)
                call.cancel()
                self._take_back()

    async def _send(self, call: Stream) -> None:
        # Why the call is over is what reading from it raises.
        with suppress(aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await self._has_waiting.wait()
                while self._waiting:
                    item = self._waiting.popleft()
                    self._sent[item.request.item_id] = item
                    await call.write(item.request)
                self._has_waiting.clear()
                if self._is_closing:
                    await call.done_writing()
                    return

    async def _watch(self, call: Stream) -> None:
        """Ends the call when rows are at the service and nothing has come back for too long."""
        while True:
            await asyncio.sleep(_SILENCE_TIMEOUT_S / 10)
            now_s = asyncio.get_running_loop().time()
            if not self._sent:
                self._heard_s = now_s
            elif now_s - self._heard_s > _SILENCE_TIMEOUT_S:
                call.cancel()

    def _take(self, response: pb.ScoreExplanationsResponse) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        item = self._sent.get(response.item_id)
        if item is None:
            return
        if response.WhichOneof("result") == "error":
            self._take_error(item, item_error_from_pb(response.error))
        else:
            self._take_scores(item, scores_from_pb(response.scores))
        del self._sent[response.item_id]

    def _take_scores(self, item: _Item, scores: Scores) -> None:
        for score, metric in zip(scores, self.metrics, strict=True):
            if (score.metric, score.signature) != (metric.name, metric.signature):
                raise ScoreFileError(
                    f"{self.place}: the service changed while the file was scored: what was "
                    f"{metric.signature} is now {score.signature}, and such scores must not be "
                    "averaged; score the file again"
                )
        if self._patience.restore():
            self._notify(f"{self.place} answers again")
        if not item.scores.done():
            item.scores.set_result(scores)

    def _take_error(self, item: _Item, error: ServiceError) -> None:
        """Fails a row for good, or sends it again a little later."""
        if isinstance(error, TransientError):
            loop = asyncio.get_running_loop()
            delay_s = item.patience.delay_after(error, loop.time())
            self._resting.add(item)
            loop.call_later(delay_s, self._enqueue_rested, item)
        elif not item.scores.done():
            item.scores.set_exception(error)

    def _take_back(self) -> None:
        """Puts what was sent and not answered before what waits."""
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()
        if self._waiting:
            self._has_waiting.set()

    def _give_up(self, error: Exception) -> None:
        self._failure = error
        self._take_back()
        for item in (*self._waiting, *self._resting):
            if not item.scores.done():
                item.scores.set_exception(error)
        self._waiting.clear()
        self._resting.clear()
