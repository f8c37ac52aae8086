"""The two lanes over a real socket: who waits, who goes first, and what the refused are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from grpc import StatusCode, aio

from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import OverloadedError
from services.generation.catalog import Catalog, ModelSpec, ScalingSpec
from services.generation.domain import Lane, ModelCondition, ModelState
from services.rpc.status import error_from_rpc
from tests.contract.generation_front import RunningFront, generation_front
from tests.contract.held_engine import HeldEngine
from tests.contract.rpc_services import reason_of, refused
from tests.unit.generation.builders import scripted_spec, until

TIMEOUT_S = 30.0
SWEEP, INTERACTIVE = pb.LANE_SWEEP, pb.LANE_INTERACTIVE


def narrow(places: int, waiting: int) -> ModelSpec:
    scaling = ScalingSpec(
        target_ongoing_requests=1, max_ongoing_requests=places, max_queued_requests=waiting
    )
    return scripted_spec("m").model_copy(update={"scaling": scaling})


@dataclass
class Busy:
    """A front whose engine is held up; the calls to it by their ids."""

    front: RunningFront
    engine: HeldEngine

    @property
    def started(self) -> list[str]:
        return [request.request_id for request in self.engine.asked]

    def ask(
        self, request_id: str, lane: int, timeout: float | None = None, token: str = ""
    ) -> aio.Call:
        request = pb.GenerateExplanationRequest(
            request_id=request_id, model="m", instruction="Explain.", lane=lane
        )
        metadata = [("authorization", f"Bearer {token}")] if token else []
        return self.front.stub.GenerateExplanation(request, timeout=timeout, metadata=metadata)

    async def begin(self, request_id: str, lane: int, **options: object) -> "asyncio.Future":
        """Asks, and returns once the call is at the engine or waits."""
        before = self.count()
        asking = asyncio.ensure_future(self.ask(request_id, lane, **options))
        await until(lambda: self.count() == before + 1)
        return asking

    def count(self) -> int:
        return len(self.engine.asked) + self.waiting(Lane.SWEEP) + self.waiting(Lane.INTERACTIVE)

    def waiting(self, lane: Lane) -> int:
        return self.front.front.waiting_count("m", lane)

    def let_go_on(self) -> None:
        self.engine.may_go_on.set()


@asynccontextmanager
async def busy(places: int, waiting: int, **settings: object) -> AsyncIterator[Busy]:
    spec = narrow(places, waiting)
    engine = HeldEngine(spec)
    async with generation_front(spec, build=lambda _: engine, **settings) as front:
        yield Busy(front, engine)


async def test_interactive_calls_go_first_and_all_are_answered() -> None:
    async with busy(places=1, waiting=10) as service:
        calls = [await service.begin("first", SWEEP)]
        calls += [await service.begin(f"sweep-{number}", SWEEP) for number in range(3)]
        calls += [await service.begin(f"person-{number}", INTERACTIVE) for number in range(2)]
        service.let_go_on()
        for call in calls:
            assert (await call).text
        assert service.started == [
            "first",
            "person-0",
            "person-1",
            "sweep-0",
            "sweep-1",
            "sweep-2",
        ]


async def test_the_sweep_leaves_places_to_interactive_calls() -> None:
    async with busy(places=4, waiting=10, interactive_share=0.25) as service:
        sweeps = [await service.begin(f"sweep-{number}", SWEEP) for number in range(5)]
        # A quarter of four places is one.
        assert (len(service.started), service.waiting(Lane.SWEEP)) == (3, 2)
        person = await service.begin("person", INTERACTIVE)
        assert service.started[-1] == "person"
        service.let_go_on()
        for call in [*sweeps, person]:
            assert (await call).text


async def test_the_sweep_leaves_room_to_wait_too() -> None:
    async with busy(places=1, waiting=4, interactive_share=0.25) as service:
        calls = [await service.begin(f"sweep-{number}", SWEEP) for number in range(4)]
        failure = await refused(service.ask("one more", SWEEP))
        assert failure.code() is StatusCode.RESOURCE_EXHAUSTED
        # The last place to wait is kept; beyond it, an interactive call takes a sweep's.
        calls.append(await service.begin("person", INTERACTIVE))
        other = asyncio.ensure_future(service.ask("other", INTERACTIVE))
        displaced = await refused(calls[3])
        assert displaced.code() is StatusCode.RESOURCE_EXHAUSTED
        service.let_go_on()
        for call in [*calls[:3], calls[4], other]:
            assert (await call).text


async def test_every_refusal_says_when_to_come_back() -> None:
    async with busy(places=1, waiting=1, interactive_share=0) as service:
        service.let_go_on()
        # The pace is known once calls have been answered.
        for number in range(3):
            await service.ask(f"warm-{number}", SWEEP)
        service.engine.may_go_on.clear()
        calls = [await service.begin(name, SWEEP) for name in ("runs", "waits")]
        for number in range(20):
            failure = await refused(service.ask(f"refused-{number}", SWEEP))
            error = error_from_rpc(failure)
            assert isinstance(error, OverloadedError)
            trailers = dict(failure.trailing_metadata() or ())
            assert int(trailers["grpc-retry-pushback-ms"]) >= error.retry_after_s * 1000
            assert error.retry_after_s > 0
        service.let_go_on()
        for call in calls:
            await call


async def test_a_call_that_cannot_be_answered_in_time_is_refused_at_once() -> None:
    async with busy(places=1, waiting=100) as service:
        slow = [await service.begin("slow", SWEEP)]
        await asyncio.sleep(0.5)
        service.let_go_on()
        await slow[0]  # so an answer takes half a second
        service.engine.may_go_on.clear()
        slow = [await service.begin(f"slow-{number}", SWEEP) for number in range(20)]
        # Nineteen wait: its turn would come after some ten seconds.
        failure = await refused(service.ask("hasty", SWEEP, timeout=4.0))
        error = error_from_rpc(failure)
        assert isinstance(error, OverloadedError)
        assert float(error.metadata["likely_s"]) > 8
        assert error.retry_after_s > 1
        # An interactive one has its turn next.
        hasty = await service.begin("patient", INTERACTIVE, timeout=60.0)
        service.let_go_on()
        for call in [*slow, hasty]:
            assert (await call).text


async def test_a_deadline_that_passes_in_the_queue_ends_the_wait() -> None:
    async with busy(places=1, waiting=1) as service:
        runs = await service.begin("runs", SWEEP)
        failure = await refused(service.ask("waits", SWEEP, timeout=0.3))
        assert failure.code() is StatusCode.DEADLINE_EXCEEDED
        await until(lambda: service.waiting(Lane.SWEEP) == 0)
        service.let_go_on()
        await runs
        assert service.started == ["runs"]


async def test_a_cancelled_call_gives_up_its_place_in_the_queue() -> None:
    async with busy(places=1, waiting=1, interactive_share=0) as service:
        runs = await service.begin("runs", SWEEP)
        waits = await service.begin("waits", SWEEP)
        await refused(service.ask("too many", SWEEP))
        waits.cancel()
        await until(lambda: service.waiting(Lane.SWEEP) == 0)
        instead = await service.begin("instead", SWEEP)
        service.let_go_on()
        await asyncio.gather(runs, instead)
        assert service.started == ["runs", "instead"]


async def test_clients_of_a_lane_take_turns(tmp_path: Path) -> None:
    anna, ben = "a" * 32, "b" * 32
    tokens = tmp_path / "tokens"
    tokens.write_text(f"anna {anna}\nben {ben}\n")
    tokens.chmod(0o600)
    async with busy(places=1, waiting=4, interactive_share=0, token_file=tokens) as service:
        calls = [await service.begin(f"anna-{number}", SWEEP, token=anna) for number in range(5)]
        # All places to wait are hers; he gets one of them, and she loses the newest.
        bens = asyncio.ensure_future(service.ask("ben", SWEEP, token=ben))
        displaced = await refused(calls[4])
        assert displaced.code() is StatusCode.RESOURCE_EXHAUSTED
        service.let_go_on()
        await asyncio.gather(*calls[:4], bens)
        assert service.started == ["anna-0", "anna-1", "ben", "anna-2", "anna-3"]


async def test_calls_wait_for_a_model_that_comes_up_from_zero() -> None:
    zero = {"m": ModelCondition(ModelState.SCALED_TO_ZERO, wakes=True)}
    async with busy(places=2, waiting=10, arranged=zero) as service:
        # One replica's worth is sent on, which is what wakes the model; the others wait here.
        calls = [await service.begin(str(number), INTERACTIVE) for number in range(5)]
        assert (len(service.started), service.waiting(Lane.INTERACTIVE)) == (2, 3)
        service.front.router.arranged = {
            "m": ModelCondition(ModelState.LOADING, "a replica is starting", wakes=True)
        }
        await asyncio.sleep(0.1)
        calls.append(await service.begin("5", INTERACTIVE))
        service.let_go_on()
        for call in calls:
            assert (await call).text


async def test_more_replicas_take_more_calls() -> None:
    one = {"m": ModelCondition(ModelState.READY, ready_replica_count=1)}
    async with busy(places=2, waiting=10, arranged=one) as service:
        calls = [await service.begin(str(number), INTERACTIVE) for number in range(6)]
        assert len(service.started) == 2
        service.front.router.arranged = {
            "m": ModelCondition(ModelState.READY, ready_replica_count=2)
        }
        await until(lambda: len(service.started) == 4)
        service.let_go_on()
        await asyncio.gather(*calls)


async def test_nobody_waits_for_a_model_that_has_failed() -> None:
    async with busy(places=1, waiting=10) as service:
        await service.begin("runs", INTERACTIVE)
        waits = await service.begin("waits", INTERACTIVE)
        service.front.router.arranged = {"m": ModelCondition(ModelState.FAILED, "no memory")}
        failure = await refused(waits)
        assert failure.code() is StatusCode.UNAVAILABLE
        assert reason_of(failure) == "MODEL_FAILED"


async def test_nobody_waits_for_a_model_that_is_taken_out() -> None:
    async with busy(places=1, waiting=10) as service:
        runs = await service.begin("runs", INTERACTIVE)
        waits = await service.begin("waits", INTERACTIVE)
        await service.front.front.use_catalog(Catalog({"other": scripted_spec("other")}))
        failure = await refused(waits)
        assert (failure.code(), reason_of(failure)) == (StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
        # What had begun goes on.
        service.let_go_on()
        assert (await runs).text


@pytest.mark.parametrize("lane", [SWEEP, INTERACTIVE])
async def test_the_engine_is_told_the_lane(lane: int) -> None:
    async with busy(places=1, waiting=1) as service:
        service.let_go_on()
        await service.ask("one", lane)
        (request,) = service.engine.asked
        assert request.lane is (Lane.SWEEP if lane == SWEEP else Lane.INTERACTIVE)
