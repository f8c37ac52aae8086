"""What the scoring service does, and how full its workers are."""

from deploy.monitoring.dashboard import (
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
    bad_from,
    firing_alerts,
    stat,
)
from deploy.monitoring.promise_panels import availability_speed
from deploy.monitoring.promql import mean, most, quantile, rate, selector, total
from deploy.monitoring.slo import AVAILABILITY

_NAMESPACE = 'namespace=~"$namespace"'
_ITEMS = "expart_scoring_items_total"
_WORKERS = "expart_scoring_workers"
_UP = selector(_WORKERS, _NAMESPACE, 'kind="up"')
_WANTED = selector(_WORKERS, _NAMESPACE, 'kind="wanted"')
_SCORED = 'outcome="scored"'
_NO_PROCESS = "no scoring process in this time"
_METRIC_SECONDS = total(rate("expart_scoring_metric_seconds_total", _NAMESPACE), "metric")
_METRIC_ITEMS = total(rate("expart_scoring_metric_items_total", _NAMESPACE), "metric")
_BUSY = total(rate("expart_scoring_worker_busy_seconds_total", _NAMESPACE), "pool")

_SUMMARY = (
    firing_alerts(),
    stat(
        "Scored a second",
        "Explanations, over all processes.",
        "short",
        total(rate(_ITEMS, _NAMESPACE, _SCORED)),
        decimals=1,
    ),
    stat(
        "Calls failed, 1 h",
        "Part of the calls that ended by the service's fault or ran out of time.",
        "percentunit",
        most(selector(AVAILABILITY.record("1h"), _NAMESPACE, 'component="scoring"')),
        empty="no calls",
        steps=bad_from(1 - AVAILABILITY.objective, 14.4 * (1 - AVAILABILITY.objective)),
        decimals=2,
        runbook="ExpartAvailabilityBurnRate",
    ),
    stat(
        "Seconds to scores, p95",
        "From an item's arrival to its scores, in both lanes.",
        "s",
        f"{quantile(0.95, 'expart_scoring_item_seconds', _NAMESPACE, by=())} >= 0",
        decimals=2,
        empty="no items",
    ),
    stat(
        "Pending",
        "Items that wait or are being scored.",
        "short",
        total(selector("expart_scoring_pending_items", _NAMESPACE)),
        decimals=0,
    ),
    stat(
        "Workers missing",
        "Processes that should compute metrics and do not run.",
        "short",
        f"{total(_WANTED)} - {total(_UP)}",
        steps=bad_from(1, 2),
        decimals=0,
        runbook="ExpartScoringPoolDying",
    ),
    stat(
        "Workers lost, 1 h",
        "Workers that died or were replaced because they were stuck.",
        "short",
        f"sum(increase({selector('expart_scoring_workers_lost_total', _NAMESPACE)}[1h]))",
        steps=bad_from(1, 4),
        decimals=0,
        runbook="ExpartScoringPoolDying",
    ),
)

_LOAD = (
    Panel(
        "Items",
        "A second, by lane and outcome. Single calls are refused when they would wait too long; "
        "streams wait.",
        "reqps",
        (Query(total(rate(_ITEMS, _NAMESPACE), "lane", "outcome"), "{{lane}} {{outcome}}"),),
        stacked=True,
    ),
    Panel(
        "Seconds to scores",
        "From an item's arrival to its scores.",
        "s",
        (
            Query(
                quantile(0.5, "expart_scoring_item_seconds", _NAMESPACE, by=("lane",)),
                "{{lane}} p50",
            ),
            Query(
                quantile(0.95, "expart_scoring_item_seconds", _NAMESPACE, by=("lane",)),
                "{{lane}} p95",
            ),
        ),
    ),
    Panel(
        "Pending items",
        "Waiting or being scored, by lane.",
        "short",
        (Query(total(selector("expart_scoring_pending_items", _NAMESPACE), "lane"), "{{lane}}"),),
        runbook="ExpartQueueSaturated",
    ),
    Panel(
        "Pending text",
        "Bytes of the texts that wait or are being scored.",
        "bytes",
        (Query(total(selector("expart_scoring_pending_bytes", _NAMESPACE), "lane"), "{{lane}}"),),
    ),
    Panel(
        "Calls by method and end",
        "A second. RESOURCE_EXHAUSTED is an overload, which callers are told to wait for.",
        "reqps",
        (
            Query(
                total(rate("expart_scoring_calls_total", _NAMESPACE), "method", "code"),
                "{{method}} {{code}}",
            ),
        ),
        stacked=True,
        runbook="ExpartAvailabilityBurnRate",
    ),
    Panel(
        "Refused calls",
        "By reason, a second.",
        "reqps",
        (
            Query(
                total(rate("expart_scoring_calls_rejected_total", _NAMESPACE), "reason"),
                "{{reason}}",
            ),
        ),
        stacked=True,
        runbook="ExpartQueueSaturated",
    ),
)

_REFERENCES = total(rate("expart_scoring_reference_cache_lookups_total", _NAMESPACE), "outcome")

_METRICS = (
    Panel(
        "Processor time by metric",
        "Of all workers, in processors. It says which metric to leave out when scoring is too "
        "slow.",
        "short",
        (Query(_METRIC_SECONDS, "{{metric}}"),),
        stacked=True,
    ),
    Panel(
        "Processor time of an item",
        "By metric.",
        "s",
        (Query(f"{_METRIC_SECONDS} / ({_METRIC_ITEMS} > 0)", "{{metric}}"),),
    ),
    Panel(
        "References analysed before",
        "Look-ups a second, by outcome. Questions of one reference that come together are cheaper.",
        "ops",
        (Query(_REFERENCES, "{{outcome}}"),),
        stacked=True,
    ),
    Panel(
        "Call seconds, p95",
        "By method. A stream lasts as long as its caller wants.",
        "s",
        (
            Query(
                quantile(0.95, "expart_scoring_call_seconds", _NAMESPACE, by=("method",)),
                "{{method}}",
            ),
        ),
    ),
)

_POOL = (
    Panel(
        "Workers busy",
        "Part of the time that the workers of a pool compute. Near 1 more pods or workers help.",
        "percentunit",
        (Query(f"{_BUSY} / {total(_UP, 'pool')}", "{{pool}}"),),
        maximum=1,
    ),
    Panel(
        "Workers",
        "Wanted and up, by pool.",
        "short",
        (Query(total(selector(_WORKERS, _NAMESPACE), "pool", "kind"), "{{pool}} {{kind}}"),),
        decimals=0,
        runbook="ExpartScoringPoolDying",
    ),
    Panel(
        "Items given to a worker at once",
        "The mean. It grows with the load.",
        "short",
        (Query(mean("expart_scoring_batch_items", _NAMESPACE, by=("pool",)), "{{pool}}"),),
    ),
)

_ENCODER = (
    Panel(
        "Encoder tokens",
        "Embedded for BERTScore, a second.",
        "short",
        (Query(total(rate("expart_scoring_encoder_tokens_total", _NAMESPACE)), "tokens"),),
    ),
    Panel(
        "Seconds of an encoder batch",
        "The mean and the 95th percentile.",
        "s",
        (
            Query(mean("expart_scoring_encoder_batch_seconds", _NAMESPACE, by=()), "mean"),
            Query(quantile(0.95, "expart_scoring_encoder_batch_seconds", _NAMESPACE, by=()), "p95"),
        ),
    ),
    Panel(
        "Embeddings from the cache",
        "Texts that the encoder looked up among those embedded before, a second, by outcome.",
        "ops",
        (
            Query(
                total(rate("expart_scoring_embedding_cache_lookups_total", _NAMESPACE), "outcome"),
                "{{outcome}}",
            ),
        ),
        stacked=True,
    ),
)

SCORING = Dashboard(
    uid="expart-scoring",
    title="ExpArt scoring",
    description="Items, latency, workers, metrics and the encoder of the scoring service.",
    variables=(Variable("namespace", "Namespace", _WORKERS, "namespace"),),
    rows=(
        Row("Now", _SUMMARY, "no process"),
        Row("Load", _LOAD, _NO_PROCESS),
        Row("Promise", (availability_speed("scoring", width=24),), "no calls in this time"),
        Row("Workers", _POOL, _NO_PROCESS),
        Row("Metrics", _METRICS, _NO_PROCESS),
        Row("Encoder", _ENCODER, "no encoder in this time"),
    ),
)
