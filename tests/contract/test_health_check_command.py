"""The command by which a container checks the server inside it."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.rpc.check_health import main

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def address() -> Iterator[str]:
    """A server that serves, but for one of its two services."""
    states = health.HealthServicer()
    states.set("", SERVING)
    states.set("well", SERVING)
    states.set("unwell", NOT_SERVING)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def test_what_serves_is_well(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([address]) == 0
    assert main([address, "well"]) == 0
    assert capsys.readouterr() == ("", "")


def test_an_address_that_stands_for_all_interfaces_is_reached(address: str) -> None:
    assert main([f"0.0.0.0:{address.rpartition(':')[2]}"]) == 0


@pytest.mark.parametrize(
    ("service", "reason"), [("unwell", "NOT_SERVING"), ("unknown", "NOT_FOUND")]
)
def test_what_does_not_serve_is_named(
    address: str, service: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([address, service]) == 1
    assert capsys.readouterr().err.startswith(f"{address}: {reason}")


def test_a_server_that_is_not_there_is_unwell_within_the_time_given() -> None:
    # Port 1 of the loopback device is nobody's.
    command = (sys.executable, "-m", "services.rpc.check_health")
    ended = subprocess.run(
        [*command, "127.0.0.1:1", "--timeout-s", "0.5"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "127.0.0.1:1: UNAVAILABLE" in ended.stderr
