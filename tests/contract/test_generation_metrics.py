"""What a front tells Prometheus of its generations, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from grpc import StatusCode, aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import EngineUnavailableError
from services.generation.catalog import Catalog, ScalingSpec
from services.generation.domain import ModelCondition, ModelState
from services.telemetry.all_metrics import generation_metrics
from tests.contract.generation_front import RunningFront, generation_front
from tests.contract.held_engine import HeldEngine
from tests.contract.rpc_services import refused
from tests.contract.scrapes import (
    Scrape,
    check_with_promtool,
    needs_promtool,
    scrape,
    scraped,
    until_scraped,
)
from tests.unit.generation.builders import picture, scripted_spec, until

TIMEOUT_S = 30.0
MODEL = {"model": "m"}
OURS = "expart_generation_"


@dataclass(frozen=True)
class Told:
    """A front with one engine that is held up after its first word, and what it tells."""

    front: RunningFront
    engine: HeldEngine

    @property
    def port(self) -> int:
        port = self.front.front.metrics_port
        assert port is not None
        return port

    def whole(self, timeout: float | None = TIMEOUT_S, **fields: object) -> aio.Call:
        request = pb.GenerateExplanationRequest(model="m", instruction="Explain.", **fields)
        return self.front.stub.GenerateExplanation(request, timeout=timeout)

    def streamed(self, timeout: float | None = TIMEOUT_S, **fields: object) -> aio.Call:
        request = pb.StreamExplanationRequest(model="m", instruction="Explain.", **fields)
        return self.front.stub.StreamExplanation(request, timeout=timeout)


@asynccontextmanager
async def told(
    *, places: int = 8, arranged: dict[str, ModelCondition] | None = None, min_replicas: int = 1
) -> AsyncIterator[Told]:
    scaling = ScalingSpec(
        min_replicas=min_replicas,
        max_replicas=max(1, min_replicas),
        target_ongoing_requests=1,
        max_ongoing_requests=places,
        max_queued_requests=10,
    )
    spec = scripted_spec("m").model_copy(update={"scaling": scaling})
    engine = HeldEngine(spec)
    async with generation_front(
        spec, build=lambda _: engine, arranged=arranged, metrics_port=0
    ) as front:
        yield Told(front, engine)


def count(found: Scrape, name: str, **labels: str) -> float:
    return found.value(OURS + name, **MODEL, **labels)


async def test_answers_are_counted_with_their_tokens_and_durations() -> None:
    async with told() as service:
        service.engine.may_go_on.set()
        before = await scraped(service.port)
        whole = await service.whole(
            lane=pb.LANE_SWEEP, sampling=pb.SamplingParameters(max_tokens=5)
        )
        stream = service.streamed(sampling=pb.SamplingParameters(max_tokens=3))
        events = [event async for event in stream]
        after = await scraped(service.port)
    usage = events[-1].completion.usage
    assert (whole.completion.usage.generated_token_count, usage.generated_token_count) == (5, 3)
    prompts = whole.completion.usage.prompt_token_count + usage.prompt_token_count
    assert count(before, "generated_tokens_total") == 0
    assert count(after, "generated_tokens_total") == 8
    assert count(after, "prompt_tokens_total") == prompts
    for lane in ("sweep", "interactive"):
        assert count(before, "explanations_total", lane=lane, finish_reason="length") == 0
        assert count(after, "explanations_total", lane=lane, finish_reason="length") == 1
        assert count(after, "queue_seconds_count", lane=lane) == 1
        first = "gen_ai_server_time_to_first_token_seconds_count"
        assert after.value(first, gen_ai_request_model="m", expart_lane=lane) == 1
    request = "gen_ai_server_request_duration_seconds"
    assert after.value(request + "_count", gen_ai_request_model="m") == 2
    # The front's own measure of both calls, which it also answers with.
    total_s = sum(
        completion.timings.total_duration.ToNanoseconds() / 1e9
        for completion in (whole.completion, events[-1].completion)
    )
    assert after.value(request + "_sum", gen_ai_request_model="m") == pytest.approx(total_s)
    per_token = "gen_ai_server_time_per_output_token_seconds_count"
    assert after.value(per_token, gen_ai_request_model="m") == 2
    for cause in ("client", "deadline", "engine_lost"):
        assert count(after, "explanations_cancelled_total", cause=cause) == 0


async def test_who_leaves_who_is_late_and_an_engine_that_is_lost_waste_tokens_of_their_own() -> (
    None
):
    async with told() as service:
        # What finishes tells how many characters a token of this model has.
        service.engine.may_go_on.set()
        await service.whole(sampling=pb.SamplingParameters(max_tokens=20))
        service.engine.may_go_on.clear()

        leaves = service.streamed()
        assert (await leaves.read()).text_delta
        leaves.cancel()
        left = await until_scraped(
            service.port,
            lambda now: (
                now.get(OURS + "explanations_cancelled_total", cause="client", **MODEL) == 1
            ),
        )
        await end_late(service)
        service.engine.error = EngineUnavailableError("it died")
        asked = len(service.engine.asked)
        lost = asyncio.ensure_future(refused(service.whole()))
        await until(lambda: len(service.engine.asked) == asked + 1)
        service.engine.may_go_on.set()
        assert (await lost).code() in {StatusCode.UNAVAILABLE, StatusCode.ABORTED}
        after = await scraped(service.port)
    # One word of text had come; the model's words are a token each.
    assert count(left, "wasted_tokens_total", cause="client") >= 1
    assert count(left, "wasted_tokens_total", cause="deadline") == 0
    assert count(left, "explanations_cancelled_total", cause="deadline") == 0
    assert count(after, "explanations_cancelled_total", cause="deadline") == 1
    assert count(after, "explanations_cancelled_total", cause="engine_lost") == 1
    assert count(after, "explanations_total", lane="interactive", finish_reason="length") == 1


async def end_late(service: Told) -> None:
    """Has a call's deadline pass, and waits until that is counted."""
    name = OURS + "explanations_cancelled_total"

    def ended(now: Scrape) -> float:
        return now.value(name, cause="client", **MODEL) + now.value(name, cause="deadline", **MODEL)

    # Where a machine lags, its service may take a deadline's end for a caller who leaves.
    for _ in range(5):
        before = await scraped(service.port)
        with pytest.raises(aio.AioRpcError) as caught:
            async for _ in service.streamed(timeout=1.0):
                pass
        assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED
        after = await until_scraped(service.port, lambda now: ended(now) == ended(before) + 1)  # noqa: B023
        if after.value(name, cause="deadline", **MODEL):
            return


async def test_places_and_those_who_wait_are_told() -> None:
    async with told(places=1) as service:
        runs = asyncio.ensure_future(service.whole(lane=pb.LANE_SWEEP))
        await until(lambda: len(service.engine.asked) == 1)
        waits = asyncio.ensure_future(service.whole(lane=pb.LANE_SWEEP))

        def is_full(now: Scrape) -> bool:
            return now.get(OURS + "waiting", lane="sweep", **MODEL) == 1

        full = await until_scraped(service.port, is_full)
        service.engine.may_go_on.set()
        await asyncio.gather(runs, waits)
        after = await scraped(service.port)
    assert count(full, "running") == 1
    assert count(full, "places") == 1
    assert count(full, "waiting", lane="interactive") == 0
    assert count(after, "running") == 0
    assert count(after, "waiting", lane="sweep") == 0
    assert count(after, "queue_seconds_count", lane="sweep") == 2
    assert count(after, "queue_seconds_sum", lane="sweep") > 0


async def test_pictures_that_are_sent_and_named_are_counted() -> None:
    image = picture()

    async def upload(digest: str) -> AsyncIterator[pb.PutImageRequest]:
        header = pb.ImageHeader(digest=digest, size_bytes=len(image.data))
        yield pb.PutImageRequest(header=header)
        yield pb.PutImageRequest(chunk=image.data)

    async with told() as service:
        service.engine.may_go_on.set()
        stub = service.front.stub
        await refused(service.whole(image=content_pb2.Image(digest=image.digest)))
        await refused(stub.PutImage(upload("sha256:" + "0" * 64), timeout=TIMEOUT_S))
        for _ in range(2):
            await stub.PutImage(upload(image.digest), timeout=TIMEOUT_S)
        await service.whole(image=content_pb2.Image(digest=image.digest))
        after = await scraped(service.port)
    uploads = {
        outcome: after.value(OURS + "image_uploads_total", outcome=outcome)
        for outcome in ("stored", "known", "refused")
    }
    assert uploads == {"stored": 1, "known": 1, "refused": 1}
    lookups = {
        outcome: after.value(OURS + "image_lookups_total", outcome=outcome)
        for outcome in ("hit", "miss", "folder")
    }
    assert lookups == {"hit": 1, "miss": 1, "folder": 0}
    assert after.value(OURS + "image_store_bytes") == len(image.data)
    assert after.value(OURS + "image_store_images") == 1
    assert after.value(OURS + "image_bytes_in_flight") == 0


async def test_repeated_requests_are_counted_and_cost_no_second_explanation() -> None:
    async with told() as service:
        named = {"request_id": "one"}
        first = asyncio.ensure_future(service.whole(**named))
        await until(lambda: len(service.engine.asked) == 1)
        second = asyncio.ensure_future(service.whole(**named))
        joined = await until_scraped(
            service.port,
            lambda now: now.get(OURS + "replay_lookups_total", outcome="joined") == 1,
        )
        service.engine.may_go_on.set()
        assert (await first).text == (await second).text
        await service.whole(**named)
        await refused(service.whole(system_text="Another.", **named))
        after = await scraped(service.port)
    outcomes = {
        outcome: after.value(OURS + "replay_lookups_total", outcome=outcome)
        for outcome in ("new", "joined", "replayed", "conflict")
    }
    assert outcomes == {"new": 1, "joined": 1, "replayed": 1, "conflict": 1}
    assert joined.value(OURS + "replay_lookups_total", outcome="replayed") == 0
    finished = [
        count(after, "explanations_total", lane="interactive", finish_reason=reason)
        for reason in ("stop", "length")
    ]
    assert sum(finished) == 1


async def test_a_model_that_a_call_wakes_is_told_with_its_cold_start() -> None:
    zero = {"m": ModelCondition(ModelState.SCALED_TO_ZERO, wakes=True)}
    waking = ModelCondition(
        ModelState.LOADING, "a replica is starting", wakes=True, starting_replica_count=1
    )
    async with told(arranged=zero, min_replicas=0) as service:
        asleep = await scraped(service.port)
        call = asyncio.ensure_future(service.whole())
        await until(lambda: len(service.engine.asked) == 1)
        service.front.router.arranged = {"m": waking}
        starting = await until_scraped(
            service.port,
            lambda now: now.get(OURS + "model_state", state="loading", **MODEL) == 1,
        )
        service.front.router.arranged = {
            "m": ModelCondition(ModelState.READY, ready_replica_count=1)
        }
        ready = await until_scraped(
            service.port,
            lambda now: now.get(OURS + "model_state", state="ready", **MODEL) == 1,
        )
        service.engine.may_go_on.set()
        await call
    assert count(asleep, "model_state", state="scaled_to_zero") == 1
    assert count(asleep, "model_replicas", kind="wanted") == 0
    assert count(asleep, "cold_starts_total") == 0
    assert count(starting, "model_state", state="scaled_to_zero") == 0
    assert count(starting, "model_replicas", kind="wanted") == 1
    assert count(starting, "model_replicas", kind="ready") == 0
    assert count(ready, "model_replicas", kind="ready") == 1
    assert count(ready, "cold_starts_total") == 1
    assert count(ready, "cold_start_seconds_count") == 1
    assert 0 < count(ready, "cold_start_seconds_sum") < 60


async def test_a_model_that_has_failed_wants_its_replicas_still() -> None:
    failed = {"m": ModelCondition(ModelState.FAILED, "no memory")}
    async with told(arranged=failed, min_replicas=2) as service:
        found = await scraped(service.port)
        await refused(service.whole())
        await until_scraped(
            service.port,
            lambda now: now.get(OURS + "calls_rejected_total", reason="MODEL_FAILED") == 1,
        )
    assert count(found, "model_state", state="failed") == 1
    assert count(found, "model_replicas", kind="wanted") == 2
    assert count(found, "model_replicas", kind="ready") == 0


async def test_a_new_model_is_told_from_0_on_and_one_that_is_gone_has_no_gauges() -> None:
    async with told() as service:
        await service.front.front.use_catalog(Catalog({"other": scripted_spec("other")}))
        found = await scraped(service.port)
    states = found.labels(OURS + "model_state")
    assert {labels["model"] for labels in states} == {"other"}
    assert found.value(OURS + "generated_tokens_total", model="other") == 0
    assert count(found, "generated_tokens_total") == 0  # what was counted stays


async def test_a_front_tells_all_that_is_declared_and_nothing_else() -> None:
    async with told() as service:
        text = (await scraped(service.port)).text
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    ours = {name for name in named if name.startswith(("expart_", "gen_ai_"))}
    # This server shows no certificate.
    absent = {"expart_generation_certificate_expiry_timestamp_seconds"}
    assert ours == {metric.name for metric in generation_metrics()} - absent


@needs_promtool
async def test_promtool_finds_no_fault_with_a_front() -> None:
    async with told() as service:
        service.engine.may_go_on.set()
        await service.whole()
        check_with_promtool((await scraped(service.port)).text)


async def test_fronts_of_a_node_share_out_the_ports_and_one_that_finds_none_waits(
    unused_port: int,
) -> None:
    spec = scripted_spec("m")
    async with (
        generation_front(spec, metrics_port=unused_port) as first,
        generation_front(spec, metrics_port=unused_port) as second,
    ):
        assert first.front.metrics_port == unused_port
        assert second.front.metrics_port is None
        # It answers calls all the same, and takes the port when the first one has gone.
        await second.stub.ListModels(pb.ListModelsRequest(), timeout=TIMEOUT_S)
        await first.front.stop()
        await until(lambda: second.front.metrics_port == unused_port)
        found = await asyncio.to_thread(scrape, unused_port)
    listed = found.value(OURS + "calls_total", method="ListModels", code="OK")
    assert listed == 1
