"""Calls that are cancelled, or whose deadline passes, leave the workers to others."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from grpc import StatusCode, aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from tests.contract.scoring_server import scoring_server, wait_until

TIMEOUT_S = 60.0
TEXT = "The Louvre is in Paris."
SMALL = pb.ScoringItem(candidate=TEXT, reference=TEXT, entities=["Louvre", "Paris"])

# Longer than any test waits, and bounded by nothing but the limit that the test has raised.
LONG = "Aa. " * 245_000
ENDLESS = pb.ScoringItem(candidate=LONG, reference=LONG, entities=[f"A{n}" for n in range(256)])


def plain_channel(address: str) -> aio.Channel:
    """A channel that repeats nothing."""
    options = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]
    return aio.insecure_channel(address, options=options)


def ask(
    stub: pb_grpc.ScoringServiceStub, item: pb.ScoringItem, timeout_s: float = TIMEOUT_S
) -> "aio.UnaryUnaryCall[pb.ScoreExplanationRequest, pb.ScoreExplanationResponse]":
    return stub.ScoreExplanation(pb.ScoreExplanationRequest(item=item), timeout=timeout_s)


@pytest.mark.parametrize("end", ["deadline", "cancel", "cancelled stream"])
async def test_an_item_that_nobody_waits_for_does_not_hold_its_worker(
    tmp_path: Path, end: str
) -> None:
    variables = {"MAX_TEXT_CHARS": "1000000", "WITHDRAWN_GRACE_S": "0.5"}
    with scoring_server(tmp_path, **variables) as server:
        [first_worker] = server.worker_pids()
        async with plain_channel(server.address) as channel:
            stub = pb_grpc.ScoringServiceStub(channel)
            if end == "deadline":
                assert await ask(stub, ENDLESS, 1.0).code() is StatusCode.DEADLINE_EXCEEDED
            elif end == "cancel":
                call = ask(stub, ENDLESS)
                await asyncio.sleep(1.0)
                call.cancel()
            else:
                stream = stub.ScoreExplanations(timeout=TIMEOUT_S)
                await stream.write(pb.ScoreExplanationsRequest(item_id="0", item=ENDLESS))
                await asyncio.sleep(1.0)
                stream.cancel()
            response = await ask(stub, SMALL)

        assert len(response.scores) > 0
        [lost] = server.events("scoring_worker_lost")
        assert "withdrawn item" in str(lost["reason"])
        assert lost["worker_pid"] == first_worker
        wait_until(lambda: server.worker_pids() != [first_worker], "the worker was not replaced")


async def test_withdrawn_items_make_room_while_the_worker_is_still_busy(tmp_path: Path) -> None:
    # Room for 4 single calls.
    variables = {"MAX_PENDING_ITEMS": "8", "WITHDRAWN_GRACE_S": "60"}
    with scoring_server(tmp_path, **variables) as server:
        [worker] = server.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        async with plain_channel(server.address) as channel:
            stub = pb_grpc.ScoringServiceStub(channel)
            for _ in range(3):
                calls = [await pending_call(stub) for _ in range(4)]
                assert await ask(stub, SMALL).code() is StatusCode.RESOURCE_EXHAUSTED
                for call in calls:
                    call.cancel()
            # The worker has not moved since, and there is room again.
            calls = [await pending_call(stub) for _ in range(4)]
            os.kill(worker, signal.SIGCONT)
            for call in calls:
                assert len((await call).scores) > 0
        assert server.events("scoring_worker_lost") == []


async def pending_call(
    stub: pb_grpc.ScoringServiceStub,
) -> "aio.UnaryUnaryCall[pb.ScoreExplanationRequest, pb.ScoreExplanationResponse]":
    """Calls until a call is not refused: what was withdrawn before is gone after a moment."""
    for _ in range(100):
        call = ask(stub, SMALL)
        done, _ = await asyncio.wait([asyncio.ensure_future(call.code())], timeout=0.5)
        if not done:
            return call
    raise AssertionError("there is no room")
