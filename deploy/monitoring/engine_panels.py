"""What vLLM says of itself, through Ray's exporter."""

from deploy.monitoring.dashboard import Panel, Query, Step
from deploy.monitoring.promql import most, quantile, rate, selector, total

_NAMESPACE = 'namespace=~"$namespace"'
_MODEL = (_NAMESPACE, 'model_name=~"$model"')
_BY = ("model_name",)
_NAME = "{{model_name}}"


def _ratio(hits: str, queries: str) -> str:
    found, asked = (total(rate(name, *_MODEL), *_BY) for name in (hits, queries))
    # Ray shows a counter only once it has counted something.
    return f"({found} or 0 * {asked}) / ({asked} > 0)"


ENGINE_PANELS = (
    Panel(
        "KV cache",
        "Part of the memory for keys and values that is in use, of the fullest replica. Near the "
        "top the engine preempts requests and computes them anew.",
        "percentunit",
        (Query(most(selector("ray_vllm_kv_cache_usage_perc", *_MODEL), *_BY), _NAME),),
        steps=(Step(0.95, "red"),),
        maximum=1,
    ),
    Panel(
        "In the engine",
        "Requests in the batch, and requests that wait inside the engine.",
        "short",
        (
            Query(
                total(selector("ray_vllm_num_requests_running", *_MODEL), *_BY), f"{_NAME} running"
            ),
            Query(
                total(selector("ray_vllm_num_requests_waiting", *_MODEL), *_BY), f"{_NAME} waiting"
            ),
        ),
    ),
    Panel(
        "Preempted",
        "Requests a second that the engine put back for want of memory. More than a few mean that "
        "max_num_seqs is too high for the memory.",
        "reqps",
        (Query(total(rate("ray_vllm_num_preemptions_total", *_MODEL), *_BY), _NAME),),
        empty="none so far",
    ),
    Panel(
        "Tokens in the engine",
        "A second: of prompts, and generated.",
        "short",
        (
            Query(total(rate("ray_vllm_prompt_tokens_total", *_MODEL), *_BY), f"{_NAME} prompt"),
            Query(
                total(rate("ray_vllm_generation_tokens_total", *_MODEL), *_BY),
                f"{_NAME} generated",
            ),
        ),
    ),
    Panel(
        "Cache hits",
        "Part of the prompt tokens found in the prefix cache, and part of the pictures found in "
        "the multi-modal cache.",
        "percentunit",
        (
            Query(
                _ratio("ray_vllm_prefix_cache_hits_total", "ray_vllm_prefix_cache_queries_total"),
                f"{_NAME} prefix",
            ),
            Query(
                _ratio("ray_vllm_mm_cache_hits_total", "ray_vllm_mm_cache_queries_total"),
                f"{_NAME} pictures",
            ),
        ),
        maximum=1,
    ),
    Panel(
        "Prefill and decode, p95",
        "Seconds that the engine spends on reading a prompt, and on writing the answer.",
        "s",
        (
            Query(
                quantile(0.95, "ray_vllm_request_prefill_time_seconds", *_MODEL, by=_BY),
                f"{_NAME} prefill",
            ),
            Query(
                quantile(0.95, "ray_vllm_request_decode_time_seconds", *_MODEL, by=_BY),
                f"{_NAME} decode",
            ),
        ),
    ),
    Panel(
        "GPU use",
        "Of each GPU of the cluster, all models together.",
        "percent",
        (
            Query(
                selector("ray_node_gpus_utilization", _NAMESPACE),
                "{{instance}} GPU {{GpuIndex}} {{GpuDeviceName}}",
            ),
        ),
        maximum=100,
        empty="no GPU in the cluster",
    ),
    Panel(
        "GPU memory",
        "In use, of each GPU. vLLM takes what gpu_memory_utilization grants it at the start.",
        "mbytes",
        (
            Query(
                selector("ray_node_gram_used", _NAMESPACE),
                "{{instance}} GPU {{GpuIndex}} {{GpuDeviceName}}",
            ),
        ),
        empty="no GPU in the cluster",
    ),
)
