"""The metrics of vLLM that Ray's exporter shows, by the names that vLLM 0.32 and Ray 2.60 make.

They are vLLM's and Ray's, not ours: listed here for dashboards, alerts and documents, which must
name nothing that is not there. ``model_name`` is the model's name in the catalog.
"""

from services.telemetry.declarations import MetricDeclaration, counter, gauge, histogram

_LABELS = ("model_name", "engine", "ReplicaId")


def _gauge(name: str, meaning: str, *labels: str) -> MetricDeclaration:
    return gauge(f"ray_vllm_{name}", meaning, *_LABELS, *labels)


def _counter(name: str, meaning: str, *labels: str) -> MetricDeclaration:
    return counter(f"ray_vllm_{name}_total", meaning, *_LABELS, *labels)


def _histogram(name: str, meaning: str) -> MetricDeclaration:
    return histogram(f"ray_vllm_{name}", meaning, *_LABELS)


ENGINE_METRICS: tuple[MetricDeclaration, ...] = (
    _gauge("num_requests_running", "Requests that are being computed in a batch."),
    _gauge("num_requests_waiting", "Requests that wait in the engine."),
    _gauge("kv_cache_usage_perc", "Part of the KV cache that is in use, from 0 to 1."),
    _counter("num_preemptions", "Requests that were put back for lack of KV cache."),
    _counter("prompt_tokens", "Tokens of prompts that were computed."),
    _counter("generation_tokens", "Tokens that were generated."),
    _counter(
        "request_success", "Requests that ended, by why: stop, length, abort …", "finished_reason"
    ),
    _counter("prefix_cache_queries", "Tokens of prompts that were looked up in the prefix cache."),
    _counter("prefix_cache_hits", "Those of them that were there."),
    _counter("mm_cache_queries", "Pictures that were looked up in the cache of prepared ones."),
    _counter("mm_cache_hits", "Those of them that were there."),
    _histogram(
        "time_to_first_token_seconds", "Seconds from the engine's request to its first token."
    ),
    _histogram("inter_token_latency_seconds", "Seconds between two tokens of a request."),
    _histogram("e2e_request_latency_seconds", "Seconds from the engine's request to its end."),
    _histogram("request_queue_time_seconds", "Seconds that a request waited in the engine."),
    _histogram("request_prefill_time_seconds", "Seconds that the prompt of a request took."),
    _histogram("request_decode_time_seconds", "Seconds from a request's first token to its last."),
    _histogram("iteration_tokens_total", "Tokens of each step of the engine."),
)
