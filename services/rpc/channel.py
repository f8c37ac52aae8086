"""Client channels with the limits and the retry policy that belong to the contract."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import json
from importlib import resources

import grpc
from grpc import aio

from services.rpc import limits
from services.rpc.client_security import ClientSecurity
from services.rpc.header_channel import HeaderChannel
from services.rpc.token_interceptor import TokenInterceptor
from services.telemetry.propagation import outgoing_headers
from services.telemetry.tracer import is_tracing

# Room for a message of the largest size and its frame.
_RETRY_BUFFER_BYTES = limits.MAX_MESSAGE_BYTES + 2**20

_SERVICE_CONFIGS = (
    ("expart.generation.v1", "generation_service_config.json"),
    ("expart.scoring.v1", "scoring_service_config.json"),
)


# Calls that cost GPU time. Repeating them is safe: a known request_id generates nothing twice. But
# whoever counts attempts, or gives each a time of its own, must know of every one.
_GENERATING_METHODS = frozenset({"GenerateExplanation", "StreamExplanation"})


def service_config(*, repeats_generation: bool = False) -> str:
    """Merges the retry policies that lie beside the protos into one gRPC service config.

    Args:
        repeats_generation: Whether calls that generate are retried too, or left to the caller.
    """
    methods: list[dict[str, object]] = []
    for package, name in _SERVICE_CONFIGS:
        text = (resources.files(package) / name).read_text(encoding="utf-8")
        methods.extend(json.loads(text)["methodConfig"])
    if not repeats_generation:
        methods = [_without_retries(method) if _generates(method) else method for method in methods]
    return json.dumps({"methodConfig": methods})


def open_channel(
    address: str,
    security: ClientSecurity | None = None,
    *,
    repeats_generation: bool = False,
    connection: int | None = None,
) -> aio.Channel:
    """Opens a channel to one of the services; use it as an async context manager.

    Where traces are recorded, or inside of a sweep, its calls say which trace and which sweep they
    are part of.

    Args:
        address: ``host:port``, or any gRPC target such as ``dns:///fronts:9000``.
        security: TLS and the token to send with every call; by default plaintext without one.
        repeats_generation: Whether calls that generate are retried as the service config says.
        connection: Number of a connection of its own; by default channels to one address share one.

    Raises:
        UserInputError: Settings of the security do not go together, or a file of it is wrong.
    """
    security = security or ClientSecurity()
    credentials, token = security.credentials(), security.token()
    options = channel_options(security, repeats_generation=repeats_generation)
    if connection is not None:
        # Channels whose options differ share nothing.
        options += [("grpc.use_local_subchannel_pool", 1), ("expart.connection", connection)]
    if credentials is None:
        channel = aio.insecure_channel(address, options=options)
    else:
        channel = aio.secure_channel(address, credentials, options=options)
    # Whether a call has an origin to speak of is decided before its channel is opened.
    if token is None and not (is_tracing() or outgoing_headers()):
        return channel
    return HeaderChannel(channel, token)


def open_blocking_channel(
    address: str, security: ClientSecurity | None = None, *, repeats_generation: bool = False
) -> grpc.Channel:
    """Opens a channel for programs without asyncio; use it as a context manager.

    Arguments and errors as those of :func:`open_channel`.
    """
    security = security or ClientSecurity()
    credentials, token = security.credentials(), security.token()
    options = channel_options(security, repeats_generation=repeats_generation)
    if credentials is None:
        channel = grpc.insecure_channel(address, options=options)
    else:
        channel = grpc.secure_channel(address, credentials, options=options)
    return channel if token is None else grpc.intercept_channel(channel, TokenInterceptor(token))


def channel_options(
    security: ClientSecurity, *, repeats_generation: bool
) -> list[tuple[str, int | str]]:
    """Makes the options of a channel; its retries, and the limits that both ends agree on."""
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", limits.MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", limits.KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
        # Measured with grpcio 1.85: it waits a minute for an answer, whatever the line above says,
        # and after two questions it asks no more while a call is silent.
        ("grpc.http2.ping_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.service_config", service_config(repeats_generation=repeats_generation)),
        # By default requests beyond 256 KiB are not retried, and nobody is told.
        ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER_BYTES),
        # By default two minutes may pass before a service that is back is found.
        ("grpc.initial_reconnect_backoff_ms", 500),
        ("grpc.min_reconnect_backoff_ms", 500),
        ("grpc.max_reconnect_backoff_ms", 5000),
        # A proxy configured for the machine must not capture calls to the local stack.
        ("grpc.enable_http_proxy", 0),
    ]
    if security.tls_server_name:
        options.append(("grpc.ssl_target_name_override", security.tls_server_name))
    return options


def _generates(method: dict[str, object]) -> bool:
    names = method["name"]
    assert isinstance(names, list)
    return any(name["method"] in _GENERATING_METHODS for name in names)


def _without_retries(method: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in method.items() if key != "retryPolicy"}
