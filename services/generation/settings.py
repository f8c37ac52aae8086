"""What the generation service takes from its environment; nothing else reads it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic_settings import SettingsConfigDict

from services.rpc.limits import MAX_MESSAGE_BYTES
from services.rpc.settings import RpcSettings

_REPOSITORY = Path(__file__).parents[2]


class GenerationSettings(RpcSettings):
    """Settings of the generation service, each an environment variable EXPART_GENERATION_…."""

    model_config = SettingsConfigDict(env_prefix="EXPART_GENERATION_", extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address that the front listens on.")
    port: int = Field(default=0, ge=0, le=65535, description="Its port; 0 picks a free one.")
    catalog_folder: Path = Field(
        default=_REPOSITORY / "deploy" / "models", description="Where the catalog's entries lie."
    )
    models_folder: Path = Field(
        default=_REPOSITORY / "var" / "models",
        description="Where relative folders of the catalog start.",
    )
    image_max_bytes: PositiveInt = Field(
        default=20 * 2**20, le=MAX_MESSAGE_BYTES, description="Largest encoded image."
    )
    image_max_pixels: PositiveInt = Field(
        default=50_000_000, description="Most pixels of an image, checked before decoding."
    )
    image_max_bytes_in_flight: PositiveInt = Field(
        default=512 * 2**20, description="Most image bytes that a front holds at a time."
    )
    delta_interval_s: NonNegativeFloat = Field(
        default=0.03, description="Least time between text deltas; the first is sent at once."
    )
    state_interval_s: PositiveFloat = Field(
        default=1.0, description="How often the models' states are refreshed."
    )
    drain_s: NonNegativeFloat = Field(
        default=10.0, description="How long calls in flight may take to end on shutdown."
    )

    @property
    def address(self) -> str:
        """Where the front listens, as ``host:port``."""
        return f"{self.host}:{self.port}"


# Measured: with these, calls through a DeploymentHandle cost about half as much time. Serve reads
# them when it is first imported, and Ray's processes inherit them from the one that starts Ray.
SERVE_ENVIRONMENT: Mapping[str, str] = {
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # Its default is gRPC's 4 MiB, less than the images that we accept.
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(MAX_MESSAGE_BYTES + 2**20),
}

# A laptop has no memory for idle workers, and a local stack reports to nobody.
_LOCAL_RAY_ENVIRONMENT: Mapping[str, str] = {
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    # Two busy cores start Ray's processes more slowly than its defaults allow for.
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_agent_register_timeout_ms": "120000",
    "RAY_worker_register_timeout_seconds": "180",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "PYTHONUNBUFFERED": "1",
}


def local_ray_environment(auth_token: str) -> dict[str, str]:
    """Makes the environment of a process that starts a Ray of its own.

    Args:
        auth_token: Secret that other processes need to reach that Ray.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 - this module may
        # A surrounding Ray's address would make ours join it.
        if not name.startswith(("RAY_", "EXPART_GENERATION_"))
    }
    paths = [str(_REPOSITORY), *filter(None, [inherited.get("PYTHONPATH")])]
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(paths),
        # Ray starts its workers through this interpreter's folder.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", "")]),
        **_LOCAL_RAY_ENVIRONMENT,
        **SERVE_ENVIRONMENT,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": auth_token,
    }
