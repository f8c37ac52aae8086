"""A bare gRPC server with nothing behind it but one call by Ray Serve's handle.

Run as ``python -m tests.bench.generation_hop RAY_ADDRESS`` in the environment of a stack: it
deploys the server beside the stack's own applications, writes its address, and waits for the end of
its input. What the real front costs beyond it is ours; what it costs beyond a bare server is Serve.
"""

import socket
import sys

import grpc
import ray
from grpc import aio
from ray import serve

from expart.generation.v1 import generation_service_pb2 as pb
from services.generation.servicer import SERVICE_NAME

APPLICATION = "bench-echo"


class Echo:
    """Gives back what it gets."""

    async def explain(self, text: str) -> str:
        return text


class BareFront:
    """Answers GenerateExplanation by one call to the echo."""

    async def __init__(self, port: int) -> None:  # type: ignore[misc]  # Serve awaits it
        explain = serve.get_deployment_handle("Echo", APPLICATION).options(
            method_name="explain", request_serialization="pickle", response_serialization="pickle"
        )

        async def answer(request: pb.GenerateExplanationRequest, _: object) -> object:
            return pb.GenerateExplanationResponse(text=await explain.remote(request.instruction))

        method = grpc.unary_unary_rpc_method_handler(
            answer,
            pb.GenerateExplanationRequest.FromString,
            pb.GenerateExplanationResponse.SerializeToString,
        )
        self._server = aio.server()
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE_NAME, {"GenerateExplanation": method})]
        )
        self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()


def main() -> None:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options: dict[str, object] = {
        "ray_actor_options": {"num_cpus": 0},
        "max_ongoing_requests": 1000,
        "logging_config": {"enable_access_log": False},
    }
    echo = serve.deployment(Echo, name="Echo", **options)
    serve.run(echo.bind(), name=APPLICATION, route_prefix=None)
    front = serve.deployment(BareFront, name="BareFront", **options)
    serve.run(front.bind(port), name="bench-front", route_prefix=None)
    sys.stdout.write(f"address 127.0.0.1:{port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
