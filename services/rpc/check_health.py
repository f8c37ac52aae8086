"""``python -m services.rpc.check_health HOST:PORT [SERVICE]`` asks a server whether it serves.

The health check of the containers, which hold no other client of grpc.health.v1; Kubernetes asks by
itself. In plaintext and without a token: a service that asks for TLS has a health address of its
own. Exit codes: 0 it serves, 1 it does not or does not answer, 2 wrong arguments.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

# A proxy that is configured for the container is not for calls inside it.
_OPTIONS = [("grpc.enable_http_proxy", 0)]


def trouble(address: str, service: str = "", timeout_s: float = 3.0) -> str:
    """Says what is wrong with a service in one line; nothing if it serves.

    Args:
        address: ``host:port`` of its server.
        service: Its name, or a model's; empty for the server as a whole.
        timeout_s: How long the answer may take.
    """
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = stub.Check(request, timeout=timeout_s)
        except grpc.RpcError as failure:
            # gRPC raises what is the failed call as well, and says so in its documentation only.
            call = cast("grpc.Call", failure)
            return f"{address}: {call.code().name} {call.details()}".strip()
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return f"{address}: {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks once; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m services.rpc.check_health", description="Ask a server whether it serves."
    )
    parser.add_argument("address", help="host:port, such as 127.0.0.1:50062")
    parser.add_argument("service", nargs="?", default="", help="by default the whole server")
    parser.add_argument("--timeout-s", type=float, default=3.0, help="seconds (%(default)s)")
    options = parser.parse_args(arguments)
    wrong = trouble(options.address, options.service, options.timeout_s)
    if wrong:
        sys.stderr.write(f"{wrong}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
