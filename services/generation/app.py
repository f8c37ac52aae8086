"""Builds the Ray Serve applications: one a model, and the front. The only wiring."""

import math
import warnings
from collections.abc import Mapping

from pydantic import JsonValue
from ray import serve
from ray.serve import Application
from ray.serve.schema import LoggingConfig

from services.generation.catalog import Catalog, ModelSpec, ScalingSpec
from services.generation.front_replica import FrontReplica
from services.generation.names import FRONT_DEPLOYMENT, MODEL_DEPLOYMENT
from services.generation.replica import ModelReplica
from services.generation.settings import SERVE_ENVIRONMENT, GenerationSettings

# A front only moves messages; this bounds Serve's own calls to it, not ours over gRPC.
_FRONT_ONGOING_REQUESTS = 100
# The new front listens on the same port before the old one drains.
_FRONT_SURGE_PERCENT = 100

# Serve's defaults, 10 and 30 s, are for web pages: a new replica would be asked for half a minute
# after the load came, on top of the minutes that a model takes to load.
_METRICS_INTERVAL_S = 1.0
_LOOK_BACK_S = 5.0

# The front logs every call, with who called and how it ended.
_LOGGING = LoggingConfig(enable_access_log=False)

# What one of them takes of the resource that chooses its node: so little that all find room.
_NODE_SHARE = 0.001

# What replicas alone need of an entry. Not chat template and engine arguments: the front lists
# digests of them.
_NO_MATTER_OF_THE_FRONT = {
    "environment",
    "memory_gib",
    "node_resource",
    "parameter_count",
    "requires",
    "scripted",
}

_ENGINE_ENVIRONMENT: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_NO_USAGE_STATS": "1",
}
_CPU_ENVIRONMENT: Mapping[str, str] = {
    # Measured: compiling took the first request 46 s, and saved nothing afterwards.
    "TORCHDYNAMO_DISABLE": "1",
    # One process less: vLLM's CPU platform would add a worker beside its core.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Threads that spin while they wait starve each other once cores are shared: 40 tokens took
    # 11 s instead of 0.3 s.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "KMP_BLOCKTIME": "0",
}


def build_model_app(
    spec: ModelSpec, settings: GenerationSettings, *, start_attempts: int = 3
) -> Application:
    """Builds the application of one model.

    Args:
        spec: Its catalog entry.
        settings: Settings of the service.
        start_attempts: How often loading is tried before the model counts as failed.
    """
    with warnings.catch_warnings():
        # The variables that are to replace metrics_interval_s one day do nothing in ray 2.60.
        warnings.filterwarnings("ignore", "The `metrics_interval_s` field", DeprecationWarning)
        deployment = serve.deployment(
            ModelReplica,
            name=MODEL_DEPLOYMENT,
            # The front bounds what waits; Serve's bound counts a caller, and refuses inexactly.
            max_queued_requests=-1,
            logging_config=_LOGGING,
            max_constructor_retry_count=start_attempts,
            health_check_period_s=settings.health_check_period_s,
            health_check_timeout_s=settings.health_check_timeout_s,
            graceful_shutdown_timeout_s=settings.replica_drain_s,
            **scaling_options(spec.scaling),
            **_placement_options(spec),
        )
        return deployment.bind(
            spec, settings.delta_interval_s, settings.generation_limits, settings.standstill_s
        )


def build_front_app(catalog: Catalog, settings: GenerationSettings) -> Application:
    """Builds the application of the front for all models of the catalog."""
    actor = {
        "num_cpus": 0,
        "resources": _share_of(settings.front_node_resource),
        "runtime_env": {"env_vars": dict(SERVE_ENVIRONMENT)},
    }
    deployment = serve.deployment(
        FrontReplica,
        name=FRONT_DEPLOYMENT,
        num_replicas=settings.front_replicas,
        max_replicas_per_node=settings.front_replicas_per_node,
        max_ongoing_requests=_FRONT_ONGOING_REQUESTS,
        logging_config=_LOGGING,
        max_surge_percent=_FRONT_SURGE_PERCENT,
        health_check_period_s=settings.health_check_period_s,
        health_check_timeout_s=settings.health_check_timeout_s,
        graceful_shutdown_timeout_s=settings.drain_s + 5,
        ray_actor_options=actor,
        user_config=front_config(catalog),
    )
    return deployment.bind(settings)


def scaling_options(scaling: ScalingSpec) -> dict[str, JsonValue]:
    """Makes what Serve may change of a model without starting its replicas anew."""
    options: dict[str, JsonValue] = {"max_ongoing_requests": scaling.max_ongoing_requests}
    if scaling.min_replicas == scaling.max_replicas:
        return {**options, "num_replicas": scaling.max_replicas}
    autoscaling: dict[str, JsonValue] = {
        "min_replicas": scaling.min_replicas,
        "initial_replicas": scaling.min_replicas,
        "max_replicas": scaling.max_replicas,
        "target_ongoing_requests": scaling.target_ongoing_requests,
        "metrics_interval_s": _METRICS_INTERVAL_S,
        "look_back_period_s": _LOOK_BACK_S,
        "upscale_delay_s": scaling.upscale_delay_s,
        "downscale_delay_s": scaling.downscale_delay_s,
    }
    return {**options, "autoscaling_config": autoscaling}


def front_config(catalog: Catalog) -> dict[str, JsonValue]:
    """Makes what tells the front its models; Serve passes changes on to a front that runs."""
    return {
        "models": [
            spec.model_dump(mode="json", exclude_unset=True, exclude=_NO_MATTER_OF_THE_FRONT)
            for spec in catalog
        ]
    }


def engine_environment(spec: ModelSpec) -> dict[str, str]:
    """Makes the environment variables of a model's processes; the catalog's own win."""
    environment = dict(_ENGINE_ENVIRONMENT)
    if spec.runs_on_cpu:
        environment |= _CPU_ENVIRONMENT
        environment["OMP_NUM_THREADS"] = str(max(1, math.floor(spec.num_cpus)))
    if not spec.needs_download:
        environment["HF_HUB_OFFLINE"] = "1"
    return environment | dict(spec.environment)


def _placement_options(spec: ModelSpec) -> dict[str, object]:
    """Says what a replica takes of a node; whoever is split over GPUs takes them of one node.

    The replica starts in the first bundle and takes none of its GPU: the engine's own workers, one
    a bundle, do.
    """
    environment = {**SERVE_ENVIRONMENT, **engine_environment(spec)}
    node = _share_of(spec.node_resource)
    actor = {"num_cpus": spec.num_cpus, "runtime_env": {"env_vars": environment}}
    if spec.tensor_parallel_size == 1:
        return {"ray_actor_options": {**actor, "num_gpus": spec.num_gpus, "resources": node}}
    others = [{"GPU": 1.0} for _ in range(spec.tensor_parallel_size - 1)]
    return {
        "ray_actor_options": actor,
        "placement_group_bundles": [{"CPU": spec.num_cpus, "GPU": 1.0, **node}, *others],
        # What the layers exchange for every token is too much for a network.
        "placement_group_strategy": "STRICT_PACK",
    }


def _share_of(node_resource: str | None) -> dict[str, float]:
    return {} if node_resource is None else {node_resource: _NODE_SHARE}
