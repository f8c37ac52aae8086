"""What a catalog entry means in vLLM's own terms: engine arguments and sampling parameters."""

from collections.abc import Sequence

from vllm import SamplingParams
from vllm.lora.request import LoRARequest
from vllm.sampling_params import RequestOutputKind

from services.core.errors import ModelFailedError
from services.generation.adapters import AdapterFiles
from services.generation.catalog import ModelSpec
from services.generation.domain import Lane, Sampling

# Without CUDA graphs, compilation and worker processes a laptop's engine starts in seconds.
_CPU_ARGUMENTS: dict[str, object] = {"enforce_eager": True, "distributed_executor_backend": "uni"}

# A request brings one picture and nothing else. Where a model also takes videos, vLLM would keep
# GPU memory for the longest one that fits the context, and have less for the KV cache.
_MEDIA_A_PROMPT = {"image": 1, "video": 0, "audio": 0}

# The replica itself holds no GPU: Serve gives it a placement group with a bundle for each. Only
# Ray actors of their own, one a bundle, get those GPUs; "mp" would start workers inside the replica
# on the machine's first GPUs, whoever they belong to. vLLM finds the group by itself.
_PARALLEL_ARGUMENTS: dict[str, object] = {"distributed_executor_backend": "ray"}

# The ranks that vLLM has kernels for: vllm.config.lora.MaxLoRARanks.
_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# Adapters at work in one batch each take GPU memory; those beyond wait for the next batch.
_LORAS_A_BATCH = 8

# vLLM schedules the smallest number first, and takes KV blocks back from the largest.
_PRIORITIES = {Lane.INTERACTIVE: 0, Lane.SWEEP: 1}


def engine_arguments(spec: ModelSpec, adapters: Sequence[AdapterFiles] = ()) -> dict[str, object]:
    """Makes the arguments of vLLM's engine.

    The entry's engine_arguments win over our defaults, and what other keys of the entry say wins
    over both.

    Raises:
        ModelFailedError: An adapter has a larger rank than vLLM takes.
    """
    return {
        **(_CPU_ARGUMENTS if spec.runs_on_cpu else {}),
        **(_PARALLEL_ARGUMENTS if spec.tensor_parallel_size > 1 else {}),
        "limit_mm_per_prompt": dict(_MEDIA_A_PROMPT),
        **(_lora_defaults(adapters) if adapters else {}),
        **spec.engine_arguments,
        "model": spec.weights,
        "served_model_name": spec.name,  # what its metrics call the model
        "revision": spec.source.revision if spec.source.hub is not None else None,
        "dtype": spec.dtype,
        "quantization": spec.quantization,
        "max_model_len": spec.max_model_len,
        "tensor_parallel_size": spec.tensor_parallel_size,
        "trust_remote_code": spec.trust_remote_code,
        "scheduling_policy": "priority",
        "disable_log_stats": False,
        **(_lora_arguments(spec, adapters) if adapters else {}),
    }


def lora_requests(adapters: Sequence[AdapterFiles]) -> dict[str, LoRARequest]:
    """Makes what names an adapter to vLLM, by the name that requests use."""
    # vLLM tells adapters apart by number, from 1.
    return {
        adapter.name: LoRARequest(adapter.name, number, str(adapter.folder))
        for number, adapter in enumerate(adapters, start=1)
    }


def priority(lane: Lane) -> int:
    """Says how early vLLM schedules a request of a lane: the smallest first."""
    return _PRIORITIES[lane]


def sampling_parameters(sampling: Sampling) -> SamplingParams:
    """Translates how tokens are chosen; text comes in pieces."""
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        min_tokens=sampling.min_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        seed=sampling.seed,
        stop=list(sampling.stop),
        repetition_penalty=sampling.repetition_penalty,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        output_kind=RequestOutputKind.DELTA,
    )


def _lora_defaults(adapters: Sequence[AdapterFiles]) -> dict[str, object]:
    # All adapters stay in the machine's memory, so that none is read from disk again.
    return {"max_loras": min(len(adapters), _LORAS_A_BATCH), "max_cpu_loras": len(adapters)}


def _lora_arguments(spec: ModelSpec, adapters: Sequence[AdapterFiles]) -> dict[str, object]:
    largest = max(adapters, key=lambda adapter: adapter.rank)
    taken = next((rank for rank in _LORA_RANKS if rank >= largest.rank), None)
    if taken is None:
        raise ModelFailedError(
            f"adapter {largest.name} has rank {largest.rank}; vLLM takes at most {_LORA_RANKS[-1]}"
        )
    arguments: dict[str, object] = {"enable_lora": True, "max_lora_rank": taken}
    if spec.runs_on_cpu:
        # vLLM 0.32's CPU kernels take the last place for "no adapter" (index -1), so a request
        # for the base model got whatever lay there. One place more than adapters stays zero.
        places = len(adapters) + 1
        arguments |= {"max_loras": places, "max_cpu_loras": places}
    return arguments
