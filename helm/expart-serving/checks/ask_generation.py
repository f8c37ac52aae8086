"""Asks a generation service whether it serves and which models it has, as ``helm test`` does.

``ask_generation.py ADDRESS``; TLS and the token are what the ``expart`` command's variables say.
Exit code 1: it is not there, has no model, or one of its models could not be loaded.
"""

import sys
from typing import cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cli.connection_options import Connection
from services.cli.settings import CliSettings
from services.core.errors import ExpArtError
from services.rpc.channel import open_blocking_channel
from services.rpc.generation_client import GenerationClient, ModelState
from services.rpc.status import error_from_rpc

_TIMEOUT_S = 60.0


def main(address: str) -> int:
    """Prints the models with their states, or what is wrong."""
    try:
        security = Connection().security(CliSettings(), generation=address)
        channel = open_blocking_channel(address, security, repeats_generation=True)
        with GenerationClient(channel) as client:
            models = client.models(timeout_s=_TIMEOUT_S)
            health = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S
            )
    except ExpArtError as error:
        print(error.message, file=sys.stderr)
        return 1
    except grpc.RpcError as failure:
        print(error_from_rpc(cast("grpc.Call", failure)).message, file=sys.stderr)
        return 1
    for model in models:
        print(model.name, model.state.name.lower(), model.state_reason)
    is_serving = health.status == health_pb2.HealthCheckResponse.SERVING
    has_failed = any(model.state is ModelState.FAILED for model in models)
    return 0 if is_serving and models and not has_failed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
