"""Bearer tokens, for both services over real sockets."""

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from services.core.errors import UnauthenticatedError
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.rpc.status import error_from_rpc
from tests.certificates import Authority
from tests.contract.rpc_services import (
    BOTH,
    SecuredService,
    reason_of,
    refused,
    secured_service,
    unretried,
)

both_services = pytest.mark.parametrize("kind", BOTH)

ALICE = "a" * 10 + "l1Ce" * 8
BOB = "b0b-" * 10


def token_file(folder: Path, **tokens: str) -> Path:
    path = folder / "tokens"
    path.write_text("".join(f"{name} {token}\n" for name, token in tokens.items()))
    return path


def secret(folder: Path, token: str) -> Path:
    path = folder / f"token-{token[:4]}"
    path.write_text(f"{token}\n")
    return path


async def code_of(call: Awaitable[object]) -> StatusCode | None:
    """How a call fails; none where it is answered."""
    try:
        await call
    except aio.AioRpcError as failure:
        return failure.code()
    return None


async def answer_to(service: SecuredService, *metadata: tuple[str, str]) -> StatusCode | None:
    """How a call with these metadata ends; none where it is answered."""
    async with unretried(service.address) as channel:
        call = channel.unary_unary(service.quick_method)
        try:
            await call(b"", metadata=metadata, timeout=30)
        except aio.AioRpcError as caught:
            failure = caught
        else:
            return None
    assert reason_of(failure) == failure.code().name
    return failure.code()


@both_services
async def test_every_kind_of_call_needs_a_token_but_health_checks(
    kind: str, tmp_path: Path
) -> None:
    tokens = token_file(tmp_path, alice=ALICE)
    async with secured_service(kind, tmp_path, token_file=tokens) as service:
        async with unretried(service.address) as channel:
            reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
            # Nothing is written to the streams: grpc.aio reports a write to a stream that has just
            # been ended as an error of its own, in place of the answer.
            streams = (
                channel.stream_stream(service.stream_method),
                reflection.ServerReflectionInfo,
            )
            for call in (
                service.quick(channel),
                service.slow(channel, timeout=30),
                *(stream(timeout=30).read() for stream in streams),
            ):
                failure = await refused(call)
                assert failure.code() is StatusCode.UNAUTHENTICATED
                error = error_from_rpc(failure)
                assert isinstance(error, UnauthenticatedError)
                assert "--token-file" in error.message
            health = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=service.name)
            answer = await health.Check(request, timeout=30)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            watch = health.Watch(request, timeout=30)
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            watch.cancel()
            unknown = channel.unary_unary("/no.such.Service/Method")
            assert (await refused(unknown(b""))).code() is StatusCode.UNAUTHENTICATED

        security = ClientSecurity(token_file=secret(tmp_path, ALICE))
        async with open_channel(service.address, security) as channel:
            assert await service.quick(channel)
            assert await service.slow(channel, timeout=30)
            call = service.stream(channel, timeout=30)
            assert await call.read()
            call.cancel()
        finished = service.events("call_finished")
    assert "alice" in {event["client"] for event in finished if event["code"] == "OK"}
    unauthenticated = [event for event in finished if event["code"] == "UNAUTHENTICATED"]
    assert {event["address"] for event in unauthenticated} == {"127.0.0.1"}
    assert ALICE not in str(finished)


@pytest.mark.parametrize(
    ("authorization", "is_let_in"),
    [
        (f"Bearer {ALICE}", True),
        (f"bearer   {ALICE} ", True),
        (f"Bearer {ALICE[:-1]}", False),
        (f"Bearer {ALICE}x", False),
        (f"Bearer {ALICE.upper()}", False),
        (ALICE, False),
        (f"Basic {ALICE}", False),
        ("Bearer", False),
        ("", False),
    ],
)
async def test_only_a_whole_bearer_token_opens(
    tmp_path: Path, authorization: str, is_let_in: bool
) -> None:
    tokens = token_file(tmp_path, alice=ALICE)
    async with secured_service("generation", tmp_path, token_file=tokens) as service:
        code = await answer_to(service, ("authorization", authorization))
    assert code is (None if is_let_in else StatusCode.UNAUTHENTICATED)


async def test_two_tokens_in_one_call_are_refused(tmp_path: Path) -> None:
    tokens = token_file(tmp_path, alice=ALICE, bob=BOB)
    headers = [("authorization", f"Bearer {token}") for token in (ALICE, BOB)]
    async with secured_service("generation", tmp_path, token_file=tokens) as service:
        assert await answer_to(service, *headers) is StatusCode.UNAUTHENTICATED


async def until_code(service: SecuredService, token: str, code: StatusCode | None) -> None:
    """Calls until the answer is this one: files are looked at once a second at most."""
    deadline = time.monotonic() + 30
    while await answer_to(service, ("authorization", f"Bearer {token}")) is not code:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


@both_services
async def test_a_replaced_secret_counts_at_once_and_a_broken_one_never(
    kind: str, tmp_path: Path
) -> None:
    # As Kubernetes mounts a Secret: the file leads through ..data to a folder that is swapped.
    mount = tmp_path / "mount"
    for version, tokens in (("v1", {"alice": ALICE}), ("v2", {"bob": BOB})):
        (mount / version).mkdir(parents=True)
        token_file(mount / version, **tokens)
    (mount / "v3").mkdir()
    (mount / "v3" / "tokens").write_text(f"bob {BOB}\nmallory short\n")
    (mount / "tokens").symlink_to("..data/tokens")

    def lead_to(version: str) -> None:
        (mount / "..new").symlink_to(version)
        (mount / "..new").replace(mount / "..data")

    lead_to("v1")
    async with secured_service(kind, tmp_path, token_file=mount / "tokens") as service:
        await until_code(service, ALICE, None)
        lead_to("v2")
        await until_code(service, BOB, None)
        await until_code(service, ALICE, StatusCode.UNAUTHENTICATED)
        lead_to("v3")
        deadline = time.monotonic() + 30
        while not (logged := service.events("files_not_reloaded")):
            await until_code(service, BOB, None)
            assert time.monotonic() < deadline
        await until_code(service, BOB, None)
    assert "line 2 has a token of 5 characters" in str(logged[0]["cause"])
    assert "short" not in str(logged)


@both_services
async def test_tokens_travel_by_tls_too_and_a_client_reads_its_own_again(
    kind: str, tmp_path: Path
) -> None:
    authority = Authority.make(tmp_path / "authority")
    shown = authority.issue("service")
    mine = secret(tmp_path, BOB)
    async with (
        secured_service(
            kind,
            tmp_path,
            token_file=token_file(tmp_path, alice=ALICE),
            tls_certificate_file=shown.certificate,
            tls_key_file=shown.key,
        ) as service,
        open_channel(
            service.address, ClientSecurity(tls_ca_file=authority.file, token_file=mine)
        ) as channel,
    ):
        assert (await refused(service.quick(channel))).code() is StatusCode.UNAUTHENTICATED
        mine.write_text(ALICE)
        deadline = time.monotonic() + 30
        while (code := await code_of(service.quick(channel))) is not None:
            assert code is StatusCode.UNAUTHENTICATED
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        call = service.stream(channel, timeout=30)
        assert await call.read()
        call.cancel()


async def test_tokens_in_plaintext_beyond_this_machine_are_warned_of(tmp_path: Path) -> None:
    tokens = token_file(tmp_path, alice=ALICE)
    async with secured_service(
        "generation", tmp_path, token_file=tokens, host="0.0.0.0"
    ) as service:
        assert service.events("tokens_sent_in_the_clear")
    async with secured_service("generation", tmp_path, token_file=tokens) as service:
        assert not service.events("tokens_sent_in_the_clear")
