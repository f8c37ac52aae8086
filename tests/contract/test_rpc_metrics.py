"""What both services tell Prometheus of their calls, over real sockets."""

import asyncio
import random
import urllib.error
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.rpc.call_limits import CallLimits
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.rpc.server import RpcServer
from services.telemetry.call_metrics import CallDeclarations
from services.telemetry.declarations import Buckets
from services.telemetry.instruments import Metrics
from tests.certificates import Authority
from tests.contract.rpc_services import BOTH, SecuredService, refused, secured_service, unretried
from tests.contract.scoring_server import run_with
from tests.contract.scrapes import Scrape, scraped, until_scraped
from tests.contract.test_rpc_places import MoodyServicer, one_call
from tests.contract.test_rpc_tokens import ALICE, secret, token_file
from tests.unit.generation.builders import until

both_services = pytest.mark.parametrize("kind", BOTH)
SCORING = "expart.scoring.v1.ScoringService"
SLOW = {"scoring": "ScoreExplanation", "generation": "GenerateExplanation"}


def port_of(service: SecuredService) -> int:
    """Where the service tells its metrics, as its log says."""
    (event,) = service.events("metrics_served")
    port = event["port"]
    assert isinstance(port, int)
    return port


def method(full_name: str) -> str:
    return full_name.rpartition("/")[2]


@both_services
async def test_calls_are_counted_by_method_and_code_with_their_bytes_and_durations(
    kind: str, tmp_path: Path
) -> None:
    async with secured_service(kind, tmp_path, metrics_port=0) as service:
        quick, name = method(service.quick_method), f"expart_{kind}_"
        before = await scraped(port_of(service))
        async with unretried(service.address) as channel:
            for _ in range(3):
                await service.quick(channel)
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            unknown = channel.unary_unary(f"/{service.name}/Nothing")
            failure = await refused(unknown(b"", timeout=30))
            assert failure.code() is StatusCode.UNIMPLEMENTED
            made_up = channel.unary_unary("/made.up.Service/Of")
            await refused(made_up(b"", timeout=30))
        after = await until_scraped(
            port_of(service), lambda now: now.get(name + "calls_in_flight", method="other") == 0
        )

    # Shown from the start, so that the first call is seen as a change.
    assert before.value(name + "calls_total", method=quick, code="OK") == 0
    assert before.value(name + "calls_total", method=quick, code="RESOURCE_EXHAUSTED") == 0
    assert after.value(name + "calls_total", method=quick, code="OK") == 3
    assert after.value(name + "calls_total", method="Check", code="OK") == 1
    assert after.value(name + "calls_total", method="other", code="UNIMPLEMENTED") == 2
    assert after.value(name + "call_seconds_count", method=quick) == 3
    assert 0 < after.value(name + "call_seconds_sum", method=quick) < 60
    assert after.value(name + "calls_rejected_total", reason="UNIMPLEMENTED") == 2
    assert after.value(name + "response_bytes_total", method=quick) > 100  # three lists
    assert after.get(name + "certificate_expiry_timestamp_seconds") is None
    assert after.value(name + "draining") == 0
    methods = {labels["method"] for labels in after.labels(name + "calls_total")}
    assert "Nothing" not in methods  # names that callers make up are no labels
    assert after.value("process_resident_memory_bytes") > 2**20


@both_services
async def test_calls_in_flight_are_told_and_those_that_are_cancelled_are_counted(
    kind: str, tmp_path: Path
) -> None:
    async with secured_service(kind, tmp_path, metrics_port=0) as service:
        slow, streaming, name = SLOW[kind], method(service.stream_method), f"expart_{kind}_"

        def in_flight(now: Scrape) -> list[float | None]:
            return [now.get(name + "calls_in_flight", method=m) for m in (slow, streaming)]

        service.hold_up()
        async with unretried(service.address) as channel:
            call = asyncio.ensure_future(service.slow(channel))
            stream = service.stream(channel)
            reading = asyncio.ensure_future(stream.read())
            await until_scraped(port_of(service), lambda now: in_flight(now) == [1, 1])
            stream.cancel()
            call.cancel()
            await asyncio.gather(call, reading, return_exceptions=True)
            left = await until_scraped(port_of(service), lambda now: in_flight(now) == [0, 0])
            # Where a machine lags, a service may take a deadline's end for a caller who leaves.
            for _ in range(5):
                late = await refused(service.slow(channel, timeout=1.0))
                assert late.code() is StatusCode.DEADLINE_EXCEEDED
                after = await until_scraped(port_of(service), lambda now: in_flight(now) == [0, 0])
                if after.value(name + "calls_total", method=slow, code="DEADLINE_EXCEEDED"):
                    break
        service.go_on()  # only now: a client may know of its deadline before the service does
    assert after.value(name + "request_bytes_total", method=streaming) > 5
    assert left.value(name + "calls_total", method=streaming, code="CANCELLED") == 1
    assert left.value(name + "calls_total", method=slow, code="CANCELLED") == 1
    assert after.value(name + "calls_total", method=slow, code="DEADLINE_EXCEEDED") == 1
    # None was refused: all had been let in.
    rejected = name + "calls_rejected_total"
    assert {after.value(rejected, **labels) for labels in after.labels(rejected)} == {0}


@both_services
async def test_refusals_are_counted_by_their_reason(kind: str, tmp_path: Path) -> None:
    settings = {"token_file": token_file(tmp_path, alice=ALICE), "max_calls_per_client": 1}
    async with secured_service(kind, tmp_path, metrics_port=0, **settings) as service:
        name, streaming = f"expart_{kind}_", method(service.stream_method)
        async with unretried(service.address) as stranger:
            for _ in range(2):
                await refused(service.quick(stranger))
        service.hold_up()
        security = ClientSecurity(token_file=secret(tmp_path, ALICE))
        async with (
            open_channel(service.address, security) as channel,
            unretried(service.address) as plain,
        ):
            stream = service.stream(channel)
            reading = asyncio.ensure_future(stream.read())
            await until_scraped(
                port_of(service),
                lambda now: now.get(name + "calls_in_flight", method=streaming) == 1,
            )
            token = [("authorization", f"Bearer {ALICE}")]
            full = await refused(
                plain.unary_unary(service.quick_method)(b"", metadata=token, timeout=30)
            )
            stream.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        service.go_on()
        # Whoever is refused hears of it before it is counted.
        after = await until_scraped(
            port_of(service),
            lambda now: now.get(name + "calls_rejected_total", reason="OVERLOADED") == 1,
        )
    assert full.code() is StatusCode.RESOURCE_EXHAUSTED
    assert after.value(name + "calls_rejected_total", reason="UNAUTHENTICATED") == 2
    quick = method(service.quick_method)
    assert after.value(name + "calls_total", method=quick, code="UNAUTHENTICATED") == 2
    assert after.value(name + "calls_total", method=quick, code="RESOURCE_EXHAUSTED") == 1


@both_services
async def test_the_certificate_s_expiry_is_told_and_follows_the_file(
    kind: str, tmp_path: Path
) -> None:
    authority = Authority.make(tmp_path / "authority")
    shown = authority.issue("service")
    files = {"tls_certificate_file": shown.certificate, "tls_key_file": shown.key}
    name = f"expart_{kind}_certificate_expiry_timestamp_seconds"
    async with secured_service(kind, tmp_path, metrics_port=0, **files) as service:
        first = await scraped(port_of(service))
        expected = x509.load_pem_x509_certificate(shown.certificate.read_bytes())
        assert first.value(name) == expected.not_valid_after_utc.timestamp()
        assert abs(datetime.now(UTC).timestamp() - first.value(name)) < timedelta(hours=2).seconds
        await asyncio.sleep(1.1)  # so that the new one expires at another second
        renewed = authority.issue("service")
        renewed.copy_to(shown)
        newer = x509.load_pem_x509_certificate(renewed.certificate.read_bytes())
        await until_scraped(
            port_of(service),
            lambda now: now.get(name) == newer.not_valid_after_utc.timestamp(),
        )


@both_services
async def test_a_service_that_drains_says_so(kind: str, tmp_path: Path) -> None:
    async with secured_service(kind, tmp_path, metrics_port=0) as service:
        port = port_of(service)
        service.hold_up()
        async with unretried(service.address) as channel:
            call = asyncio.ensure_future(service.slow(channel))
            name = f"expart_{kind}_draining"
            in_flight = f"expart_{kind}_calls_in_flight"
            await until_scraped(port, lambda now: now.get(in_flight, method=SLOW[kind]) == 1)
            stopping = asyncio.ensure_future(service.stop())
            await until_scraped(port, lambda now: now.get(name) == 1)
            service.go_on()
            await asyncio.gather(call, return_exceptions=True)
            await stopping
    with pytest.raises(urllib.error.URLError):
        await scraped(port)


@pytest.mark.parametrize("seed", range(2))
async def test_however_calls_end_each_is_counted_once_and_none_stays_in_flight(seed: int) -> None:
    metrics, declared = Metrics(), CallDeclarations.of("scoring")
    server = RpcServer(
        "127.0.0.1:0",
        [SCORING],
        lambda inner: pb_grpc.add_ScoringServiceServicer_to_server(MoodyServicer(), inner),
        call_limits=CallLimits(max_calls_per_client=20, unary_timeout_s=0.1),
        metrics=metrics,
        metrics_name="scoring",
    )
    port = await server.start()
    dice = random.Random(seed)

    def in_flight() -> float:
        counts = metrics.values(declared.in_flight).values()
        return sum(count for count in counts if not isinstance(count, Buckets))

    async with unretried(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        await asyncio.gather(*(one_call(stub, dice) for _ in range(60)))
        await until(lambda: server.calls_in_flight == 0 and in_flight() == 0)
    await server.stop(grace_s=5)
    codes = metrics.values(declared.calls).values()
    ended = sum(count for count in codes if not isinstance(count, Buckets))
    durations = metrics.values(declared.seconds).values()
    timed = sum(one.cumulative[-1][1] for one in durations if isinstance(one, Buckets))
    # Calls that ended before they reached the server are none of its calls.
    assert 0 < ended <= 60
    assert timed == ended


async def test_nothing_is_told_without_a_port(tmp_path: Path) -> None:
    async with secured_service("generation", tmp_path) as service:
        assert service.events("metrics_served") == []


async def test_a_port_that_is_taken_ends_the_scoring_service_with_one_line(
    tmp_path: Path, unused_port: int
) -> None:
    async with secured_service("generation", tmp_path, metrics_port=unused_port):
        code, lines = await asyncio.to_thread(run_with, METRICS_PORT=str(unused_port))
    assert code == 2
    assert len(lines) == 1
    assert f"EXPART_SCORING_METRICS_PORT {unused_port}: cannot listen there" in lines[0]


async def test_a_metric_that_cannot_be_read_hides_no_other() -> None:
    metrics = Metrics()
    server = RpcServer("127.0.0.1:0", [SCORING], lambda _: None, metrics=metrics)

    def broken() -> dict[tuple[str, ...], float]:
        raise RuntimeError("a bug")

    metrics.watch(CallDeclarations.of("scoring").draining, broken)
    names = {family.name for family in metrics.collect()}
    assert "expart_generation_draining" in names
    assert "expart_scoring_draining" not in names
    await server.stop(0)
