"""Client channels with the limits and the retry policy that belong to the contract."""

import json
from importlib import resources

from grpc import aio

from services.rpc import limits

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


def open_channel(address: str) -> aio.Channel:
    """Opens a channel to one of the services; use it as an async context manager.

    Args:
        address: ``host:port``, or any gRPC target such as ``dns:///fronts:9000``.
    """
    return aio.insecure_channel(
        address,
        options=[
            ("grpc.max_receive_message_length", limits.MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", limits.KEEPALIVE_TIME_MS),
            ("grpc.keepalive_timeout_ms", limits.KEEPALIVE_TIMEOUT_MS),
            ("grpc.service_config", service_config()),
            # A proxy configured for the machine must not capture calls to the local stack.
            ("grpc.enable_http_proxy", 0),
        ],
    )
