"""A gRPC server with everything that a service of ours owes its callers."""

from collections.abc import Callable, Sequence

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.core.errors import UserInputError
from services.rpc import limits
from services.rpc.interceptors import ErrorInterceptor


class RpcServer:
    """Serves gRPC services with health checks, reflection, limits and the error table.

    Every service, and the server as a whole (the empty name), reports SERVING once started and
    NOT_SERVING from the moment it is being stopped.

    Args:
        address: Where to listen, such as ``127.0.0.1:0``; port 0 picks a free one.
        service_names: Full proto names of the services, for health and reflection.
        register: Adds the servicers to the server.
        reuse_port: Lets several processes share the port.
        interceptors: Run outside the error interceptor, first one outermost.
    """

    def __init__(
        self,
        address: str,
        service_names: Sequence[str],
        register: Callable[[aio.Server], None],
        *,
        reuse_port: bool = False,
        interceptors: Sequence[aio.ServerInterceptor] = (),
    ) -> None:
        self._address = address
        self._service_names = tuple(service_names)
        self._server = aio.server(
            interceptors=[*interceptors, ErrorInterceptor()],
            options=[
                ("grpc.max_receive_message_length", limits.MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", int(reuse_port)),
                ("grpc.keepalive_time_ms", limits.KEEPALIVE_TIME_MS),
                ("grpc.keepalive_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", limits.MIN_PING_INTERVAL_MS),
                ("grpc.http2.max_ping_strikes", 0),
            ],
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        register(self._server)
        reflection.enable_server_reflection(
            (*self._service_names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )

    async def start(self) -> int:
        """Starts to listen.

        Returns:
            The port that was bound.

        Raises:
            UserInputError: The address cannot be bound.
        """
        try:
            port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise UserInputError(
                f"cannot listen on {self._address}: is the port in use?"
            ) from error
        await self._server.start()
        for name in ("", *self._service_names):
            await self.set_health(name, serving=True)
        return int(port)

    async def set_health(self, name: str, *, serving: bool) -> None:
        """Sets what grpc.health.v1 says about a service or any other name, such as a model."""
        state = health_pb2.HealthCheckResponse
        await self._health.set(name, state.SERVING if serving else state.NOT_SERVING)

    async def stop(self, grace_s: float) -> None:
        """Refuses new calls, gives those in flight ``grace_s`` seconds to end, and stops."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
