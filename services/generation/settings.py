"""What the generation service takes from its environment; nothing else reads it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic_settings import SettingsConfigDict

from services.generation.catalog_parts import NodeResource
from services.generation.engine_watch import GenerationLimits
from services.rpc.limits import MAX_MESSAGE_BYTES
from services.rpc.paths import OptionalFile
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
        default=50_000_000,
        le=89_000_000,  # where Pillow begins to warn
        description="Most pixels of an image, checked before decoding.",
    )
    image_max_aspect_ratio: float = Field(
        default=200.0,
        ge=1,
        allow_inf_nan=False,
        description="Most times that an image's longer edge may be its shorter one.",
    )
    image_max_bytes_in_flight: PositiveInt = Field(
        default=512 * 2**20,
        description="Most image bytes that a front's requests and uploads hold at a time; a "
        "picture that several requests use counts once.",
    )
    image_store_max_bytes: PositiveInt = Field(
        default=256 * 2**20,
        description="Most image bytes that a front keeps for requests that name them by digest.",
    )
    image_folder: OptionalFile = Field(
        default=None,
        description="Folder through which fronts share images that were uploaded; none: each "
        "front has its own.",
    )
    image_folder_max_bytes: PositiveInt = Field(
        default=4 * 2**30, description="Most image bytes in that folder."
    )
    max_image_uploads: PositiveInt = Field(
        default=32, description="Most images that are being uploaded at a time."
    )
    max_image_uploads_per_client: PositiveInt = Field(
        default=8, description="The same of one client."
    )
    interactive_share: float = Field(
        default=0.125,
        ge=0,
        lt=1,
        description="Part of a model's places, of the places to wait for them, and of the image "
        "bytes in flight that the sweep lane leaves to the interactive one.",
    )
    replay_max_entries: NonNegativeInt = Field(
        default=10_000, description="Most results that are kept for repeated request_ids."
    )
    replay_max_bytes: NonNegativeInt = Field(
        default=64 * 2**20, description="Most memory that they take."
    )
    replay_max_age_s: PositiveFloat = Field(default=900.0, description="How long a result is kept.")
    delta_interval_s: NonNegativeFloat = Field(
        default=0.03, description="Least time between text deltas; the first is sent at once."
    )
    state_interval_s: PositiveFloat = Field(
        default=1.0, description="How often the models' states are refreshed."
    )
    generation_timeout_s: PositiveFloat = Field(
        default=600.0, description="Longest duration of a generation whose caller set no deadline."
    )
    release_s: PositiveFloat = Field(
        default=10.0,
        description="How long an engine may go on with a generation that was ended; an engine that "
        "takes longer is replaced.",
    )
    standstill_s: PositiveFloat = Field(
        default=60.0,
        description="How long the event loop of a replica may stand still; then the replica ends "
        "itself, with its stack in the log, and is replaced.",
    )
    health_check_period_s: PositiveFloat = Field(
        default=5.0, description="How often Serve checks the health of replicas and fronts."
    )
    health_check_timeout_s: PositiveFloat = Field(
        default=10.0,
        description="How long a check may take; whoever fails three in a row is replaced.",
    )
    replica_drain_s: NonNegativeFloat = Field(
        default=30.0,
        description="How long generations may go on in a replica that is retired or replaced.",
    )
    front_replicas: PositiveInt = Field(
        default=1, description="Fronts; those of one node share the port."
    )
    front_replicas_per_node: PositiveInt | None = Field(
        default=None,
        description="Most fronts on one node; 1 behind a load balancer over nodes. "
        "Without a limit Ray spreads them as it can.",
    )
    front_node_resource: NodeResource | None = Field(
        default=None,
        description="Ray resource that a node must have for a front to run on it, as "
        "`ray start --resources` names it; none: any node.",
    )
    load_wait_s: NonNegativeFloat = Field(
        default=0.0,
        description="Longest that a front that has started calls itself not serving (health of the "
        "empty name) because models are still loading; 0: not at all.",
    )
    drain_s: NonNegativeFloat = Field(
        default=10.0, description="How long calls in flight may take to end on shutdown."
    )

    @property
    def generation_limits(self) -> GenerationLimits:
        """When a replica ends what does not end by itself."""
        return GenerationLimits(timeout_s=self.generation_timeout_s, release_s=self.release_s)

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
