"""Builds the Ray Serve applications: one a model, and the front. The only wiring."""

import math
from collections.abc import Mapping

from ray import serve
from ray.serve import Application

from services.generation.catalog import Catalog, ModelSpec
from services.generation.front_replica import FrontReplica
from services.generation.names import FRONT_DEPLOYMENT, MODEL_DEPLOYMENT
from services.generation.replica import ModelReplica
from services.generation.settings import GenerationSettings

_HEALTH_CHECK_PERIOD_S = 5.0
_HEALTH_CHECK_TIMEOUT_S = 30.0
# A front only moves messages; this bounds Serve's own calls to it, not ours over gRPC.
_FRONT_ONGOING_REQUESTS = 100

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
    scaling = spec.scaling
    replicas: dict[str, object] = {"num_replicas": scaling.max_replicas}
    if scaling.min_replicas != scaling.max_replicas:
        replicas = {
            "autoscaling_config": {
                "min_replicas": scaling.min_replicas,
                "initial_replicas": scaling.min_replicas,
                "max_replicas": scaling.max_replicas,
                "target_ongoing_requests": scaling.target_ongoing_requests,
                "upscale_delay_s": scaling.upscale_delay_s,
                "downscale_delay_s": scaling.downscale_delay_s,
            }
        }
    deployment = serve.deployment(
        ModelReplica,
        name=MODEL_DEPLOYMENT,
        max_ongoing_requests=scaling.max_ongoing_requests,
        # The front bounds what waits; Serve's bound counts a caller, and refuses inexactly.
        max_queued_requests=-1,
        max_constructor_retry_count=start_attempts,
        health_check_period_s=_HEALTH_CHECK_PERIOD_S,
        health_check_timeout_s=_HEALTH_CHECK_TIMEOUT_S,
        ray_actor_options={
            "num_cpus": spec.num_cpus,
            "num_gpus": spec.num_gpus,
            "runtime_env": {"env_vars": engine_environment(spec)},
        },
        **replicas,
    )
    return deployment.bind(spec, settings.delta_interval_s)


def build_front_app(catalog: Catalog, settings: GenerationSettings) -> Application:
    """Builds the application of the front for all models of the catalog."""
    deployment = serve.deployment(
        FrontReplica,
        name=FRONT_DEPLOYMENT,
        num_replicas=1,
        max_ongoing_requests=_FRONT_ONGOING_REQUESTS,
        health_check_period_s=_HEALTH_CHECK_PERIOD_S,
        health_check_timeout_s=_HEALTH_CHECK_TIMEOUT_S,
        graceful_shutdown_timeout_s=settings.drain_s + 5,
        ray_actor_options={"num_cpus": 0},
    )
    return deployment.bind(list(catalog), settings)


def engine_environment(spec: ModelSpec) -> dict[str, str]:
    """Makes the environment variables of a model's processes; the catalog's own win."""
    environment = dict(_ENGINE_ENVIRONMENT)
    if spec.runs_on_cpu:
        environment |= _CPU_ENVIRONMENT
        environment["OMP_NUM_THREADS"] = str(max(1, math.floor(spec.num_cpus)))
    if not spec.needs_download:
        environment["HF_HUB_OFFLINE"] = "1"
    return environment | dict(spec.environment)
