"""ScoringService over gRPC: reads requests, has them scored, writes responses."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.metrics import METRICS
from services.scoring.checks import ItemLimits
from services.scoring.convert import metric_to_pb, options_from_pb, task_from_pb
from services.scoring.fair_queue import Lane
from services.scoring.scorer import Scorer
from services.scoring.stream import ScoreStream

if TYPE_CHECKING:
    from grpc import aio

    Context = aio.ServicerContext[object, object]

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["ScoringService"].full_name
_SINGLE_CALL = f"/{SERVICE_NAME}/ScoreExplanation"


class ScoringServicer(pb_grpc.ScoringServiceServicer):
    """Answers the calls of ScoringService.

    Args:
        scorer: Scores the items.
        limits: How large an item may be.
        stream_window: Most items of one stream in flight.
    """

    def __init__(self, scorer: Scorer, limits: ItemLimits, stream_window: int) -> None:
        self._scorer = scorer
        self._limits = limits
        self._stream_window = stream_window
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Ends the open streams once what they have read is answered."""
        self._draining.set()

    def check_room(self, method: str) -> None:
        """Refuses a single call, before its request is read, that would find too much pending.

        Raises:
            OverloadedError: Too much is pending.
        """
        if method == _SINGLE_CALL:
            self._scorer.check_room(0, None)

    async def ScoreExplanation(
        self, request: pb.ScoreExplanationRequest, context: Context
    ) -> pb.ScoreExplanationResponse:
        """Scores one explanation."""
        self._scorer.check_room(request.ByteSize(), context.time_remaining())
        with self._scorer.items.refusals(Lane.SINGLE):
            task = task_from_pb(request, self._limits, self._scorer.encoder)
        scores = await self._scorer.submit_now(task)
        return pb.ScoreExplanationResponse(scores=scores.scores)

    async def ScoreExplanations(
        self, request_iterator: AsyncIterator[pb.ScoreExplanationsRequest], context: Context
    ) -> AsyncGenerator[pb.ScoreExplanationsResponse]:
        """Scores explanations as they come."""
        del context
        requests = aiter(request_iterator)
        stream = ScoreStream(
            requests, self._scorer, self._limits, self._stream_window, self._draining
        )
        async with aclosing(stream.answers()) as answers:
            async for answer in answers:
                yield answer

    async def ListMetrics(
        self, request: pb.ListMetricsRequest, context: Context
    ) -> pb.ListMetricsResponse:
        """Lists the metrics."""
        del context
        options = options_from_pb(request.options, self._scorer.encoder)
        return pb.ListMetricsResponse(
            metrics=[metric_to_pb(metric, options) for metric in METRICS.values()]
        )
