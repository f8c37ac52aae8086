"""Rows reach a service over one stream, and again over another where it fails them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from grpc import aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import (
    DrainingError,
    EngineUnavailableError,
    InternalError,
    InvalidRequestError,
    OverloadedError,
    PermissionDeniedError,
    ServiceError,
    UserInputError,
)
from services.metrics import METRICS, ScoringOptions
from services.rpc.channel import open_channel
from services.rpc.server import RpcServer
from services.scoring.convert import error_to_pb, metric_to_pb
from services.scoring.score_file.remote import RemoteRowScorer
from services.scoring.score_file.row import FileRow
from services.scoring.score_file.row_scorer import ScoreFileError, Scores, ScoringChoice

NAME = pb.DESCRIPTOR.services_by_name["ScoringService"].full_name
SIGNATURE = METRICS["length"].sign(ScoringOptions())

# What a stream does with the items it gets, one after another; the last entry is for the rest.
Step = str | ServiceError
ANSWER = "answer"
IGNORE = "ignore"


@dataclass
class ScriptedService(pb_grpc.ScoringServiceServicer):
    """Answers items of each stream as its script says, with the candidate's length.

    Attributes:
        scripts: One script a stream. An error that the script raises ends the stream.
        item_errors: Errors that items are answered with the first time, by id.
        received: Ids that each stream has received.
        signature: What the scores are signed with.
    """

    scripts: Sequence[Sequence[Step]] = ()
    item_errors: dict[str, ServiceError] = field(default_factory=dict)
    received: list[list[str]] = field(default_factory=list)
    signature: str = SIGNATURE

    async def ListMetrics(self, request: object, context: object) -> pb.ListMetricsResponse:
        metrics = [metric_to_pb(METRICS[n], ScoringOptions()) for n in ("bleu", "length")]
        lacking = metric_to_pb(METRICS["bertscore"], ScoringOptions())
        lacking.unavailable_reason = "no encoder is configured"
        newer = pb.Metric(name="newer", signature="newer|v:9", statistic_names=["x"])
        return pb.ListMetricsResponse(metrics=[*metrics, lacking, newer])

    async def ScoreExplanations(
        self, requests: AsyncIterator[pb.ScoreExplanationsRequest], context: object
    ) -> AsyncIterator[pb.ScoreExplanationsResponse]:
        script = list(self.scripts[len(self.received)]) if self.scripts else [ANSWER]
        ids: list[str] = []
        self.received.append(ids)
        async for request in requests:
            ids.append(request.item_id)
            step = script.pop(0) if len(script) > 1 else script[0]
            if isinstance(step, ServiceError):
                raise step
            if error := self.item_errors.pop(request.item_id, None):
                yield pb.ScoreExplanationsResponse(
                    item_id=request.item_id, error=error_to_pb(error)
                )
            elif step == ANSWER:
                score = pb.Score(
                    metric="length",
                    value=len(request.item.candidate),
                    statistics=[1.0] * len(METRICS["length"].statistic_names),
                    signature=self.signature,
                )
                scores = pb.ItemScores(scores=[score])
                yield pb.ScoreExplanationsResponse(item_id=request.item_id, scores=scores)


@asynccontextmanager
async def serving(service: ScriptedService) -> AsyncIterator[str]:
    server = RpcServer(
        "127.0.0.1:0", [NAME], lambda s: pb_grpc.add_ScoringServiceServicer_to_server(service, s)
    )
    port = await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def scorer_for(
    address: str,
    notify: Callable[[str], None] = lambda _: None,
    *,
    metrics: Sequence[str] = ("length",),
    patience_s: float = 30.0,
) -> RemoteRowScorer:
    def channel() -> aio.Channel:
        return open_channel(address)

    choice = ScoringChoice(metrics, ScoringOptions())
    return RemoteRowScorer(address, channel, choice, patience_s=patience_s, notify=notify)


def rows(count: int) -> list[FileRow]:
    return [FileRow(number, None, "x" * number, "y") for number in range(1, count + 1)]


async def score(scorer: RemoteRowScorer, wanted: Sequence[FileRow]) -> list[Scores | BaseException]:
    async with asyncio.timeout(60), scorer:
        futures = [await scorer.submit(row) for row in wanted]
        return list(await asyncio.gather(*futures, return_exceptions=True))


def values(answers: Sequence[Scores | BaseException]) -> list[float | None]:
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    return [answer[0].value for answer in answers if not isinstance(answer, BaseException)]


async def test_one_stream_scores_every_row() -> None:
    service = ScriptedService()
    async with serving(service) as address:
        answers = await score(scorer_for(address), rows(100))
    assert values(answers) == list(range(1, 101))
    assert service.received == [[str(number) for number in range(1, 101)]]


@pytest.mark.parametrize(
    "loss",
    [EngineUnavailableError("lost"), DrainingError("shutting down")],
    ids=["lost", "draining"],
)
async def test_a_lost_stream_is_opened_anew_for_what_it_had_not_answered(
    loss: ServiceError,
) -> None:
    # Of what the first stream was sent, items 1 and 3 are answered when item 4 makes it fail.
    service = ScriptedService([[ANSWER, IGNORE, ANSWER, loss], [ANSWER]])
    notes: list[str] = []
    async with serving(service) as address:
        answers = await score(scorer_for(address, notes.append), rows(10))
    assert values(answers) == list(range(1, 11))
    assert service.received[1] == ["2", *map(str, range(4, 11))]
    first, last = notes
    # gRPC may have lost the reason: another row was being written.
    assert first.startswith((f"{address}: {loss.message}; ", f"{address}: the stream was lost; "))
    assert "trying again in" in first
    assert last == f"{address} answers again"


async def test_a_stream_that_ends_too_early_is_opened_anew() -> None:
    service = ScriptedService([[ANSWER, DrainingError("bye")], [DrainingError("bye")], [ANSWER]])
    async with serving(service) as address:
        answers = await score(scorer_for(address), rows(3))
    assert values(answers) == [1, 2, 3]
    assert len(service.received) == 3


async def test_a_full_service_is_asked_again_no_sooner_than_it_says() -> None:
    full = OverloadedError("too many streams", retry_after_s=1.5)
    service = ScriptedService([[full], [ANSWER]])
    notes: list[str] = []
    async with serving(service) as address:
        answers = await score(scorer_for(address, notes.append), rows(1))
    assert values(answers) == [1]
    assert notes[0] == f"{address}: too many streams; trying again in 1.5 s"


async def test_an_item_that_cannot_be_scored_now_is_sent_again() -> None:
    errors: dict[str, ServiceError] = {"2": EngineUnavailableError("a worker was lost")}
    service = ScriptedService(item_errors=errors)
    async with serving(service) as address:
        answers = await score(scorer_for(address), rows(3))
    assert values(answers) == [1, 2, 3]
    assert service.received == [["1", "2", "3", "2"]]


@pytest.mark.parametrize("error", [InvalidRequestError("item.reference bad"), InternalError("bug")])
async def test_an_item_that_cannot_be_scored_at_all_fails_alone(error: ServiceError) -> None:
    service = ScriptedService(item_errors={"2": error})
    async with serving(service) as address:
        first, second, third = await score(scorer_for(address), rows(3))
    assert values([first, third]) == [1, 3]
    assert type(second) is type(error)
    assert isinstance(second, ServiceError)
    assert second.message == error.message


async def test_a_row_that_fits_into_no_message_fails_alone() -> None:
    async with serving(ScriptedService()) as address:
        large = FileRow(2, None, "x" * 2**24, "y")
        first, second = await score(scorer_for(address), [rows(1)[0], large])
    assert values([first]) == [1]
    assert isinstance(second, InvalidRequestError)
    assert "a row must have at most 16777216 bytes" in second.message


async def test_patience_ends_and_every_row_learns_of_it() -> None:
    service = ScriptedService([[EngineUnavailableError("gone")]] * 100)
    async with serving(service) as address:
        answers = await score(scorer_for(address, patience_s=0.5), rows(3))
    assert len(service.received) > 1
    for answer in answers:
        assert isinstance(answer, ScoreFileError)
        assert "given up after" in answer.message


async def test_a_refused_caller_does_not_try_again() -> None:
    service = ScriptedService([[PermissionDeniedError("not you")]])
    async with serving(service) as address:
        (answer,) = await score(scorer_for(address), rows(1))
    assert isinstance(answer, PermissionDeniedError)
    assert answer.message == f"{address}: not you"


async def test_another_signature_half_way_is_refused() -> None:
    service = ScriptedService(signature="length|tok:other")
    async with serving(service) as address:
        first, _ = await score(scorer_for(address), rows(2))
    assert isinstance(first, ScoreFileError)
    assert "length|tok:other" in first.message


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("blue", UserInputError, "no metric named 'blue'; it has bleu, length, bertscore"),
        ("bertscore", UserInputError, "no encoder is configured"),
        ("newer", ScoreFileError, "of another version, whose newer"),
    ],
)
async def test_metrics_that_cannot_be_had_are_refused_before_any_row(
    name: str, kind: type[Exception], message: str
) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        with pytest.raises(kind, match=message):
            await score(scorer_for(address, metrics=[name]), rows(1))
    assert service.received == []
