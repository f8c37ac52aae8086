"""How the scoring service starts, stops, and copes with what kills it or its workers."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import DrainingError, OverloadedError, ServiceError
from services.rpc.channel import open_channel
from services.rpc.status import error_from_rpc
from tests.contract.scoring_server import is_running, run_with, scoring_server, wait_until

TIMEOUT_S = 60.0
EXIT_TIMEOUT_S = 20.0


def request(number: int, *, repeats: int = 1) -> pb.ScoreExplanationsRequest:
    """An item whose coverage is 1; more repeats take a worker longer."""
    text = f"Work {number} hangs in the Louvre. " * repeats
    item = pb.ScoringItem(candidate=text, reference=text, entities=["Louvre", f"Work {number}"])
    return pb.ScoreExplanationsRequest(item_id=str(number), item=item)


def coverage(scores: list[pb.Score]) -> float:
    [score] = [score for score in scores if score.metric == "ec_exact"]
    return score.value


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_answers_what_was_read_and_leaves_nothing_behind(
    tmp_path: Path, stop_signal: signal.Signals
) -> None:
    with scoring_server(tmp_path) as server:
        workers = server.worker_pids()
        assert len(workers) == 1
        async with open_channel(server.address) as channel:
            call = pb_grpc.ScoringServiceStub(channel).ScoreExplanations(timeout=TIMEOUT_S)
            for number in range(50):
                await call.write(request(number, repeats=20))
            answers = [await call.read()]
            server.process.send_signal(stop_signal)
            with pytest.raises(aio.AioRpcError) as caught:
                while True:
                    answers.append(await call.read())
        exit_code = server.process.wait(EXIT_TIMEOUT_S)

        assert isinstance(error_from_rpc(caught.value), DrainingError)
        assert len({a.item_id for a in answers}) == len(answers)
        assert {coverage(list(a.scores.scores)) for a in answers} == {1.0}
        assert exit_code == 0
        assert not server.address_file.exists()
        assert not any(is_running(pid) for pid in workers)
        assert len(server.events("scoring_stopped")) == 1


async def test_workers_end_when_the_service_is_killed(tmp_path: Path) -> None:
    with scoring_server(tmp_path, WORKERS="2") as server:
        workers = server.worker_pids()
        assert len(workers) == 2
        server.process.kill()
        server.process.wait(EXIT_TIMEOUT_S)
        wait_until(
            lambda: not any(is_running(pid) for pid in workers), "a worker outlived the service"
        )


async def test_a_killed_worker_is_replaced_and_no_item_is_lost(tmp_path: Path) -> None:
    count = 60
    with scoring_server(tmp_path) as server:
        [first_worker] = server.worker_pids()
        async with open_channel(server.address) as channel:
            call = pb_grpc.ScoringServiceStub(channel).ScoreExplanations(timeout=TIMEOUT_S)
            for number in range(count):
                await call.write(request(number, repeats=300))
            await call.done_writing()
            answers = [await call.read()]
            os.kill(first_worker, signal.SIGKILL)
            while (answer := await call.read()) is not aio.EOF:
                answers.append(answer)

        assert {a.item_id for a in answers} == {str(number) for number in range(count)}
        assert len(answers) == count
        assert {a.WhichOneof("result") for a in answers} == {"scores"}
        assert {coverage(list(a.scores.scores)) for a in answers} == {1.0}
        [second_worker] = server.worker_pids()
        assert second_worker != first_worker
        assert len(server.events("scoring_worker_lost")) == 1


async def test_an_idle_worker_that_is_killed_is_replaced_too(tmp_path: Path) -> None:
    with scoring_server(tmp_path) as server:
        [first_worker] = server.worker_pids()
        os.kill(first_worker, signal.SIGKILL)
        wait_until(lambda: server.events("scoring_worker_replaced") != [], "no replacement")
        assert server.worker_pids() != [first_worker]


async def test_single_calls_beyond_what_may_be_pending_are_refused_with_when_to_try_again(
    tmp_path: Path,
) -> None:
    # Half of 8 for single calls.
    with scoring_server(tmp_path, MAX_PENDING_ITEMS="8", BATCH_ITEMS="2") as server:
        async with plain_channel(server.address) as channel:
            stub = pb_grpc.ScoringServiceStub(channel)
            item = request(0, repeats=300).item
            calls = [
                stub.ScoreExplanation(pb.ScoreExplanationRequest(item=item), timeout=TIMEOUT_S)
                for _ in range(30)
            ]
            codes = [await call.code() for call in calls]
            refusals = [await refusal(call) for call in calls if await call.code() is REFUSED]

            [score] = [
                score
                for score in (await answered_after_a_pause(stub, item)).scores
                if score.metric == "ec_exact"
            ]

    assert set(codes) == {StatusCode.OK, REFUSED}
    assert codes.count(StatusCode.OK) >= 4
    for error in refusals:
        assert isinstance(error, OverloadedError)
        assert 0.1 <= error.retry_after_s <= 30
        assert error.metadata["max_pending_items"] == "4"
    assert score.value == 1.0


REFUSED = StatusCode.RESOURCE_EXHAUSTED


def plain_channel(address: str, *more: tuple[str, int]) -> aio.Channel:
    """Not our own channel, whose retry policy hides refusals."""
    options = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0), *more]
    return aio.insecure_channel(address, options=options)


async def refusal(call: aio.UnaryUnaryCall[Any, Any]) -> ServiceError:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return error_from_rpc(caught.value)


async def answered_after_a_pause(
    stub: pb_grpc.ScoringServiceStub, item: pb.ScoringItem
) -> pb.ScoreExplanationResponse:
    return await stub.ScoreExplanation(pb.ScoreExplanationRequest(item=item), timeout=TIMEOUT_S)


async def test_streams_wait_where_too_much_is_pending_and_single_calls_get_through(
    tmp_path: Path,
) -> None:
    count = 60
    with scoring_server(tmp_path, MAX_PENDING_ITEMS="8", BATCH_ITEMS="2") as server:
        async with plain_channel(server.address) as channel:
            stub = pb_grpc.ScoringServiceStub(channel)
            streams = [stub.ScoreExplanations(timeout=TIMEOUT_S) for _ in range(3)]
            for stream in streams:
                for number in range(count):
                    await stream.write(request(number, repeats=100))
                await stream.done_writing()
            answered = [{(await stream.read()).item_id} for stream in streams]

            # Many more items of the streams are waiting; none of these is behind them.
            for _ in range(3):
                single = pb.ScoreExplanationRequest(item=request(0).item)
                assert len((await stub.ScoreExplanation(single, timeout=TIMEOUT_S)).scores) > 0
            left = sum(count - len(ids) for ids in answered)
            for stream, ids in zip(streams, answered, strict=True):
                while (answer := await stream.read()) is not aio.EOF:
                    assert answer.WhichOneof("result") == "scores"
                    ids.add(answer.item_id)

    assert left > 0
    assert answered == [{str(number) for number in range(count)}] * 3


async def test_a_client_that_reads_no_answers_is_not_read_from_for_ever(tmp_path: Path) -> None:
    # Both the items and their answers, which repeat the ids, are more than the connection holds.
    # Each is refused for its length, which takes no worker.
    count, too_long = 500, "c" * 100_000
    window = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    with scoring_server(tmp_path, STREAM_WINDOW="8") as server:
        async with plain_channel(server.address, *window) as channel:
            stream = pb_grpc.ScoringServiceStub(channel).ScoreExplanations(timeout=TIMEOUT_S)
            written = 0

            async def write() -> None:
                nonlocal written
                for number in range(count):
                    item = pb.ScoringItem(candidate=too_long, reference="r")
                    await stream.write(
                        pb.ScoreExplanationsRequest(item_id=f"{number:0256}", item=item)
                    )
                    written += 1
                await stream.done_writing()

            writing = asyncio.create_task(write())
            seen = -1
            while seen < written:  # until it has come to a stop
                seen = written
                await asyncio.sleep(2.0)
            stuck_at = written
            answered = set()
            while (answer := await stream.read()) is not aio.EOF:
                assert answer.error.reason == "INVALID_REQUEST"
                answered.add(answer.item_id)
            await writing
    assert stuck_at < count
    assert answered == {f"{number:0256}" for number in range(count)}


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("WORKERS", "none", "EXPART_SCORING_WORKERS: "),
        (
            "WORKER",
            "2",
            "EXPART_SCORING_WORKER is no setting; the nearest is EXPART_SCORING_WORKERS",
        ),
        ("ADDRESS", "127.0.0.1:port", "EXPART_SCORING_ADDRESS: "),
        ("ADDRESS_FILE", "/no/such/folder/address", "cannot write the address file"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(variable: str, value: str, message: str) -> None:
    code, lines = run_with(**{variable: value})
    assert code == 2
    [line] = lines
    assert line.startswith(f"expart-scoring: error: {message}")


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, lines = run_with(ADDRESS=address, ADDRESS_FILE=str(tmp_path / "address"))
    assert code == 2
    assert lines[-1] == (f"expart-scoring: error: cannot listen on {address}: is the port in use?")
    assert list(tmp_path.iterdir()) == []
