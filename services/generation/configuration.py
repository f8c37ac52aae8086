"""Names what the catalog says of how a model answers."""

import json
from collections.abc import Mapping

from services.core.digests import digest_of
from services.generation.catalog import ModelSpec, SamplingSpec

# Arguments of engines that say how much runs at a time and in how much memory.
_OF_CAPACITY = frozenset(
    {
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "max_num_batched_tokens",
        "max_num_seqs",
        "num_gpu_blocks_override",
    }
)
# Default sampling that has an effect even as the catalog has it by default; the others take part
# only where an entry sets them, so that a new one moves no digest.
_ALWAYS_EFFECTIVE = ("max_tokens", "temperature")


def configuration_digest(spec: ModelSpec) -> str:
    """Names the keys of an entry that can change what the model answers: ``sha256:…``.

    These are the engine and its arguments, among them how it prepares pictures, the number format,
    quantisation, context and default sampling, and for endpoints what they are spoken to in and
    which fields they are not sent. What has a name of its own (weights, adapters, chat template)
    and what only says where, how many and how fast (GPUs, memory, scaling, addresses, bounds that
    refuse pictures) is no part of it.
    """
    return with_default_sampling(engine_digest(spec), spec.sampling)


def engine_digest(spec: ModelSpec) -> str:
    """Names what of an entry's configuration a replica runs: all but its default sampling."""
    content: dict[str, object] = {
        "engine": spec.engine,
        "dtype": spec.dtype,
        "quantization": spec.quantization or "",
        "max_model_len": spec.max_model_len,
        "engine_arguments": {
            name: value for name, value in spec.engine_arguments.items() if name not in _OF_CAPACITY
        },
    }
    if spec.openai is not None:
        content["dialect"] = spec.openai.dialect
        content["refuses"] = sorted(spec.openai.refuses)
    return _digest(content)


def with_default_sampling(engine: str, sampling: SamplingSpec) -> str:
    """Names a whole configuration by the two that run it.

    Args:
        engine: What a replica runs, by :func:`engine_digest`.
        sampling: What the front puts where a request leaves a field open; replicas go on when it
            changes, and do not know it.
    """
    usual = type(sampling)().model_dump(mode="json")
    defaults = {
        name: value
        for name, value in sampling.model_dump(mode="json").items()
        if name in _ALWAYS_EFFECTIVE or value != usual[name]
    }
    return _digest({"engine": engine, "sampling": defaults})


def _digest(content: Mapping[str, object]) -> str:
    return digest_of(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
