"""A gRPC server with everything that a service of ours owes its callers."""

import time
from collections.abc import Callable, Sequence
from math import ceil

import grpc
import structlog
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.core.errors import UserInputError
from services.rpc import limits
from services.rpc.call_limits import CallLimiter, CallLimits
from services.rpc.certificate_dates import watched_expiry
from services.rpc.gate import CallGate
from services.rpc.health import BoundedHealthServicer
from services.rpc.interceptors import CallInterceptor
from services.rpc.security import ServerSecurity
from services.rpc.served_methods import call_metrics
from services.telemetry.call_log import CallLog
from services.telemetry.instruments import Metrics

_log = structlog.get_logger()

# What a call's end may still need on the wire after its servicer has returned, and what a client
# that only watches health is given to notice.
_FLUSH_S = 1.0
_SPARE_STREAMS = 100
_WAITING_TIMES = 5


def _nothing() -> None:
    return


def _room_for_any(method: str) -> None:
    del method


class RpcServer:
    """Serves gRPC services with health checks, reflection, limits and the error table.

    Every service, and the server as a whole (the empty name), reports SERVING once started and
    NOT_SERVING from the moment it is being stopped. Health checks need no token.

    Args:
        address: Where to listen, such as ``127.0.0.1:0``; port 0 picks a free one.
        service_names: Full proto names of the services, for health and reflection.
        register: Adds the servicers to the server.
        security: TLS and tokens; by default neither.
        call_limits: How many calls are let in, and how long they may take.
        health_address: A second address, in plaintext, where health checks are answered and
            nothing else; none by default. For probes that speak no TLS, such as Kubernetes' own.
        max_request_bytes: Largest request that is read; gRPC itself refuses larger ones.
        on_drain: Told when the server begins to stop, so that it can end open streams.
        check_room: Called with a method's full name before the request of a call is read; raises
            an OverloadedError where the service could not take it on anyway.
        reuse_port: Lets several processes share the port.
        interceptors: Run outside our own interceptor, first one outermost.
        metrics: Where Prometheus finds what is counted of the calls; by default nowhere.
        metrics_name: What the metrics call the service: ``generation`` or ``scoring``.

    Raises:
        UserInputError: Settings of the security do not go together, or a file of it is wrong.
    """

    def __init__(
        self,
        address: str,
        service_names: Sequence[str],
        register: Callable[[aio.Server], None],
        *,
        security: ServerSecurity | None = None,
        call_limits: CallLimits | None = None,
        health_address: str = "",
        max_request_bytes: int = limits.MAX_MESSAGE_BYTES,
        on_drain: Callable[[], None] = _nothing,
        check_room: Callable[[str], None] = _room_for_any,
        reuse_port: bool = False,
        interceptors: Sequence[aio.ServerInterceptor] = (),
        metrics: Metrics | None = None,
        metrics_name: str = "generation",
    ) -> None:
        security, call_limits = security or ServerSecurity(), call_limits or CallLimits()
        self._address = address
        self._health_address = health_address
        self._service_names = tuple(service_names)
        self._on_drain = on_drain
        self._security = security
        self._credentials = security.credentials()
        self._limiter = CallLimiter(call_limits)
        self._gate = CallGate(
            security.tokens(),
            self._limiter,
            check_room,
            has_certified_clients=security.tls_client_ca_file is not None,
        )
        self._call_log = CallLog()
        counted = call_metrics(metrics or Metrics(), metrics_name, self._service_names)
        counted.watch_draining(lambda: self._gate.is_draining)
        if security.tls_certificate_file is not None:
            counted.watch_certificate(watched_expiry(security.tls_certificate_file))
        guard = CallInterceptor(self._gate, self._call_log, call_limits, counted)
        options = _options(call_limits, max_request_bytes, reuse_port=reuse_port)
        self._server = aio.server(interceptors=[*interceptors, guard], options=options)
        self._health = BoundedHealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        register(self._server)
        reflection.enable_server_reflection(
            (*self._service_names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        self._probed: aio.Server | None = None
        if health_address:
            self._probed = aio.server(interceptors=[guard], options=options)
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probed)

    @property
    def calls_in_flight(self) -> int:
        """Calls that were let in and have not ended; health checks do not count."""
        return self._limiter.in_flight

    async def start(self) -> int:
        """Starts to listen.

        Returns:
            The port that was bound.

        Raises:
            UserInputError: The address cannot be bound.
        """
        port = _bind(self._server, self._address, self._credentials)
        if self._probed is not None:
            _bind(self._probed, self._health_address, None)
            await self._probed.start()
        if self._security.sends_tokens_in_the_clear(self._address):
            # Not refused: in a mesh, a proxy beside us encrypts.
            _log.warning("tokens_sent_in_the_clear", address=self._address)
        await self._server.start()
        for name in ("", *self._service_names):
            self.set_health(name, serving=True)
        return port

    def set_health(self, name: str, *, serving: bool) -> None:
        """Sets what grpc.health.v1 says about a service or any other name, such as a model."""
        self._health.set(name, serving=serving)

    async def stop(self, grace_s: float) -> None:
        """Drains and stops.

        Health says NOT_SERVING and new calls are refused as DRAINING, on connections that are open
        too, until the calls in flight have ended or ``grace_s`` seconds have passed; what is then
        left is cancelled.
        """
        ends_at = time.monotonic() + grace_s
        self._gate.drain()
        self._health.end()
        self._on_drain()
        if not await self._gate.wait_idle(grace_s):
            _log.warning("calls_cut_off", count=self.calls_in_flight, grace_s=grace_s)
        await self._server.stop(min(_FLUSH_S, max(0.0, ends_at - time.monotonic())))
        if self._probed is not None:
            await self._probed.stop(0)
        self._call_log.flush()


def _options(
    call_limits: CallLimits, max_request_bytes: int, *, reuse_port: bool
) -> list[tuple[str, int]]:
    most_calls = call_limits.max_calls + _SPARE_STREAMS
    return [
        ("grpc.max_receive_message_length", max_request_bytes),
        ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
        # Of one connection; what exceeds it waits at the client. With room to spare, so that a
        # call too many is told when to try again, and a health check is always answered.
        ("grpc.max_concurrent_streams", most_calls),
        # Beyond 1000 that wait for us gRPC would cancel calls. A burst of several times as many as
        # we take is to hear when to try again; a longer queue would hold calls whose time is up.
        ("grpc.server.max_pending_requests", _WAITING_TIMES * most_calls),
        ("grpc.server.max_pending_requests_hard_limit", _WAITING_TIMES * most_calls),
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.keepalive_time_ms", ceil(call_limits.keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", ceil(call_limits.keepalive_timeout_s * 1000)),
        # Measured with grpcio 1.85: without it gRPC waits a minute, whatever the line above says.
        ("grpc.http2.ping_timeout_ms", ceil(call_limits.keepalive_timeout_s * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", limits.MIN_PING_INTERVAL_MS),
        ("grpc.http2.max_ping_strikes", 0),
        *_age_options(call_limits),
    ]


def _age_options(call_limits: CallLimits) -> list[tuple[str, int]]:
    if not call_limits.max_connection_age_s:
        return []
    return [
        ("grpc.max_connection_age_ms", ceil(call_limits.max_connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", ceil(call_limits.max_connection_grace_s * 1000)),
    ]


def _bind(server: aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, credentials))
    except RuntimeError as error:
        raise UserInputError(f"cannot listen on {address}: is the port in use?") from error
