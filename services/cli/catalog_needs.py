"""What a model of the catalog needs, in a capacity plan's terms."""

from services.generation.catalog import ModelSpec
from services.generation.engines.transformers_arguments import TransformersArguments
from services.generation.lanes import reserve
from services.sweep.capacity.gpus import ReplicaMemory
from services.sweep.capacity.needs import ModelNeeds

# vLLM's own default of gpu_memory_utilization.
_VLLM_SHARE = 0.92

_GIB = 2**30


def needs_of(spec: ModelSpec, interactive_share: float) -> ModelNeeds:
    """Says what a model needs, from its catalog entry alone.

    Args:
        spec: The entry.
        interactive_share: Part of a model's places that sweeps never take.
    """
    most = spec.scaling.max_ongoing_requests
    places = most - reserve(most, interactive_share)
    return ModelNeeds(
        memory=ReplicaMemory(spec.num_gpus, spec.memory_gib, _gpu_share(spec)),
        places=max(1, min(places, _engine_places(spec) or places)),
        max_replicas=spec.scaling.max_replicas,
        runs_elsewhere=spec.openai is not None,
        weights_gib=_weights_gib(spec),
        context=spec.max_model_len,
        idle_s=0.0
        if spec.scaling.min_replicas or not spec.num_gpus
        else spec.scaling.downscale_delay_s,
    )


def _weights_gib(spec: ModelSpec) -> float | None:
    """Size of the weights as they run; quantised ones are smaller than this."""
    if spec.parameter_count is None:
        return None
    return spec.parameter_count * (4 if spec.dtype == "float32" else 2) / _GIB


def _gpu_share(spec: ModelSpec) -> float:
    """Part of a GPU's memory that the engine takes; transformers takes what it needs."""
    if spec.engine != "vllm":
        return 1.0
    share = spec.engine_arguments.get("gpu_memory_utilization", _VLLM_SHARE)
    return float(share) if isinstance(share, int | float) else _VLLM_SHARE


def _engine_places(spec: ModelSpec) -> int | None:
    """Questions that the engine works on at a time, where its entry says so."""
    if spec.openai is not None:
        return spec.openai.max_concurrent_requests
    name = {"vllm": "max_num_seqs", "transformers": "max_batch_size"}.get(spec.engine, "")
    given = spec.engine_arguments.get(name)
    if isinstance(given, int):
        return given
    return TransformersArguments().max_batch_size if spec.engine == "transformers" else None
