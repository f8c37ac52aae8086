"""Has vLLM tell its metrics where Prometheus finds them."""

import ray
from ray import serve
from ray.serve.exceptions import RayServeException
from vllm.v1.metrics.loggers import AggregateStatLoggerBase
from vllm.v1.metrics.ray_wrappers import RayPrometheusStatLogger


def stat_loggers() -> list[type[AggregateStatLoggerBase]]:
    """Chooses who takes vLLM's statistics besides its own log.

    In a replica of Ray Serve it is Ray, whose exporter on every node shows the series of all
    replicas there, each as ``ray_vllm_…`` with the replica's id. Elsewhere it is nobody: vLLM then
    keeps them in this process, for whoever asks it.
    """
    return [RayPrometheusStatLogger] if _is_replica() else []


def _is_replica() -> bool:
    if not ray.is_initialized():
        return False
    try:
        serve.get_replica_context()
    except RayServeException:
        return False
    return True
