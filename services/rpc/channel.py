"""Client channels with the limits and the retry policy that belong to the contract."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import json
from importlib import resources
from typing import TYPE_CHECKING

import grpc
from grpc import aio

from services.rpc import limits
from services.rpc.client_security import ClientSecurity
from services.rpc.token_channel import TokenChannel

if TYPE_CHECKING:
    from collections.abc import Sequence

_SERVICE_CONFIGS = (
    ("expart.generation.v1", "generation_service_config.json"),
    ("expart.scoring.v1", "scoring_service_config.json"),
)


def service_config() -> str:
    """Merges the retry policies that lie beside the protos into one gRPC service config."""
    methods: list[object] = []
    for package, name in _SERVICE_CONFIGS:
        text = (resources.files(package) / name).read_text(encoding="utf-8")
        methods.extend(json.loads(text)["methodConfig"])
    return json.dumps({"methodConfig": methods})


def open_channel(address: str, security: ClientSecurity | None = None) -> aio.Channel:
    """Opens a channel to one of the services; use it as an async context manager.

    Args:
        address: ``host:port``, or any gRPC target such as ``dns:///fronts:9000``.
        security: TLS and the token to send with every call; by default plaintext without one.

    Raises:
        UserInputError: Settings of the security do not go together, or a file of it is wrong.
    """
    security = security or ClientSecurity()
    credentials, token = security.credentials(), security.token()
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", limits.MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", limits.KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
        # Measured with grpcio 1.85: it waits a minute for an answer whatever the timeout above says,
        # and after two questions it asks no more while a call is silent.
        ("grpc.http2.ping_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.service_config", service_config()),
        # A proxy configured for the machine must not capture calls to the local stack.
        ("grpc.enable_http_proxy", 0),
    ]
    if security.tls_server_name:
        options.append(("grpc.ssl_target_name_override", security.tls_server_name))
    channel = _connect(address, options, credentials)
    return channel if token is None else TokenChannel(channel, token)


def _connect(
    address: str,
    options: Sequence[tuple[str, int | str]],
    credentials: grpc.ChannelCredentials | None,
) -> aio.Channel:
    if credentials is None:
        return aio.insecure_channel(address, options=options)
    return aio.secure_channel(address, credentials, options=options)
