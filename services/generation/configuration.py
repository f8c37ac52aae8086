"""Names what the catalog says of how a model answers."""

import json

from services.core.digests import digest_of
from services.generation.catalog import ModelSpec

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
    sampling = spec.sampling.model_dump(mode="json")
    usual = type(spec.sampling)().model_dump(mode="json")
    content: dict[str, object] = {
        "engine": spec.engine,
        "dtype": spec.dtype,
        "quantization": spec.quantization or "",
        "max_model_len": spec.max_model_len,
        "engine_arguments": {
            name: value for name, value in spec.engine_arguments.items() if name not in _OF_CAPACITY
        },
        "sampling": {
            name: value
            for name, value in sampling.items()
            if name in _ALWAYS_EFFECTIVE or value != usual[name]
        },
    }
    if spec.openai is not None:
        content["dialect"] = spec.openai.dialect
        content["refuses"] = sorted(spec.openai.refuses)
    return digest_of(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
