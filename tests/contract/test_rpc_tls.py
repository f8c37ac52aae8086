"""TLS and client certificates, for both services over real sockets."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.errors import EngineUnavailableError, UnauthenticatedError
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.rpc.status import error_from_rpc
from tests.certificates import Authority, Pair
from tests.contract.rpc_services import BOTH, SecuredService, refused, secured_service
from tests.contract.scoring_server import scoring_environment

both_services = pytest.mark.parametrize("kind", BOTH)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "authority")


@pytest.fixture
def shown(authority: Authority) -> Pair:
    """The pair that the service shows; a test may put another one in its place."""
    return authority.issue("service")


def tls(pair: Pair, **more: Path) -> dict[str, Path]:
    return {"tls_certificate_file": pair.certificate, "tls_key_file": pair.key, **more}


async def until_answered(attempt: Callable[[], Awaitable[object]]) -> None:
    """Tries until it succeeds: files are looked at once a second at most."""
    deadline = time.monotonic() + 30
    while True:
        try:
            await attempt()
        except aio.AioRpcError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        else:
            return


async def call_once(service: SecuredService, security: ClientSecurity) -> None:
    """Makes a call on a connection of its own."""
    async with open_channel(service.address, security) as channel:
        await service.quick(channel)


@both_services
async def test_who_trusts_the_authority_is_answered_and_nobody_else(
    kind: str, tmp_path: Path, authority: Authority, shown: Pair
) -> None:
    stranger = Authority.make(tmp_path / "stranger")
    async with secured_service(kind, tmp_path, **tls(shown)) as service:
        await call_once(service, ClientSecurity(tls_ca_file=authority.file))

        async with open_channel(
            service.address, ClientSecurity(tls_ca_file=stranger.file)
        ) as untrusting:
            error = error_from_rpc(await refused(service.quick(untrusting)))
        assert isinstance(error, UnauthenticatedError)
        assert "--tls-ca" in error.message

        async with open_channel(service.address) as plaintext:
            error = error_from_rpc(await refused(service.quick(plaintext)))
        assert isinstance(error, EngineUnavailableError)
        assert "ask for TLS" in error.message


@both_services
async def test_a_certificate_for_another_name_is_refused_unless_that_name_is_said(
    kind: str, tmp_path: Path, authority: Authority
) -> None:
    elsewhere = authority.issue("service", dns="scoring.example", ip="192.0.2.1")
    async with secured_service(kind, tmp_path, **tls(elsewhere)) as service:
        trusting = ClientSecurity(tls_ca_file=authority.file)
        async with open_channel(service.address, trusting) as channel:
            error = error_from_rpc(await refused(service.quick(channel)))
        assert isinstance(error, UnauthenticatedError)
        assert "--tls-server-name" in error.message
        await call_once(
            service,
            ClientSecurity(tls_ca_file=authority.file, tls_server_name="scoring.example"),
        )


async def test_tls_towards_a_plaintext_service_is_said(
    tmp_path: Path, authority: Authority
) -> None:
    async with (
        secured_service("generation", tmp_path) as service,
        open_channel(service.address, ClientSecurity(tls_ca_file=authority.file)) as channel,
    ):
        error = error_from_rpc(await refused(service.quick(channel)))
    assert isinstance(error, UnauthenticatedError)
    assert "does not speak TLS" in error.message


@both_services
async def test_with_a_client_authority_only_its_certificates_are_let_in(
    kind: str, tmp_path: Path, authority: Authority, shown: Pair
) -> None:
    clients = Authority.make(tmp_path / "clients")
    alice, mallory = clients.issue("alice"), authority.issue("mallory")
    settings = tls(shown, tls_client_ca_file=clients.file)

    def security(pair: Pair | None) -> ClientSecurity:
        if pair is None:
            return ClientSecurity(tls_ca_file=authority.file)
        return ClientSecurity(
            tls_ca_file=authority.file,
            tls_certificate_file=pair.certificate,
            tls_key_file=pair.key,
        )

    async with secured_service(kind, tmp_path, **settings) as service:
        await call_once(service, security(alice))
        for pair in (None, mallory):
            async with open_channel(service.address, security(pair)) as channel:
                error = error_from_rpc(await refused(service.quick(channel)))
            assert isinstance(error, EngineUnavailableError)
            assert "client's certificate" in error.message
        finished = service.events("call_finished")
    # Counted and logged under the name in her certificate; the others never got as far as a call.
    assert {event["client"] for event in finished} == {"alice"}


@both_services
async def test_a_renewed_certificate_is_shown_without_a_restart_and_no_connection_is_dropped(
    kind: str, tmp_path: Path, authority: Authority, shown: Pair
) -> None:
    successor = Authority.make(tmp_path / "successor")
    old, new = (ClientSecurity(tls_ca_file=found.file) for found in (authority, successor))
    async with (
        secured_service(kind, tmp_path, **tls(shown)) as service,
        open_channel(service.address, old) as opened_before,
    ):
        await service.quick(opened_before)
        service.hold_up()
        in_flight = asyncio.ensure_future(service.slow(opened_before, timeout=60))

        successor.issue("service").copy_to(shown)
        await until_answered(lambda: call_once(service, new))

        service.go_on()
        assert await in_flight
        await service.quick(opened_before)


@both_services
async def test_a_broken_new_certificate_leaves_the_old_one_in_force_and_is_logged_once(
    kind: str, tmp_path: Path, authority: Authority, shown: Pair
) -> None:
    trusting = ClientSecurity(tls_ca_file=authority.file)
    async with secured_service(kind, tmp_path, **tls(shown)) as service:
        shown.certificate.write_text("half a certi")
        deadline = time.monotonic() + 30
        while not service.events("files_not_reloaded"):
            await call_once(service, trusting)
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.1)  # time for a second look at the files
        await call_once(service, trusting)
        (event,) = service.events("files_not_reloaded")
        assert "holds no certificate" in str(event["cause"])

        Authority.make(tmp_path / "successor").issue("service").copy_to(shown)
        successor = ClientSecurity(tls_ca_file=tmp_path / "successor" / "authority.pem")
        await until_answered(lambda: call_once(service, successor))


@both_services
async def test_health_checks_need_no_tls_at_an_address_of_their_own(
    kind: str, tmp_path: Path, shown: Pair, unused_port: int
) -> None:
    address = f"127.0.0.1:{unused_port}"
    async with (
        secured_service(kind, tmp_path, **tls(shown), health_address=address) as service,
        open_channel(address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", service.name):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        failure = await refused(service.quick(channel))
        assert "is not served here" in str(failure.details())


def test_the_scoring_service_refuses_wrong_files_in_one_line(
    tmp_path: Path, authority: Authority, shown: Pair
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "services.scoring"],
        env=scoring_environment(
            TLS_CERTIFICATE_FILE=str(shown.certificate),
            TLS_KEY_FILE=str(authority.issue("other").key),
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("expart-scoring: error: tls_key_file: ")
    assert line.endswith(f"is not the key of the certificate in {shown.certificate}")
