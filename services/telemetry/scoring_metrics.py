"""Every Prometheus metric of the scoring service beside those of its calls, declared once.

Labels come from closed sets: ``lane`` is ``single`` (a call an item) or ``stream``, ``pool`` is
``cpu`` or ``encoder``, ``metric`` is a metric's name; the others are named with their metric.
"""

from services.telemetry.declarations import counter, gauge, histogram

ITEM_BOUNDS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)
BATCH_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
ENCODER_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ScoringMetrics:
    """The declarations."""

    ITEMS = counter(
        "expart_scoring_items_total",
        "Items that were dealt with; outcome is scored, failed, refused or withdrawn.",
        *("lane", "outcome"),
    )
    ITEM_SECONDS = histogram(
        "expart_scoring_item_seconds",
        "Seconds from an item's arrival to its scores.",
        "lane",
        bounds=ITEM_BOUNDS_S,
    )
    METRIC_SECONDS = counter(
        "expart_scoring_metric_seconds_total",
        "Processor seconds that a metric took in the workers, estimated from one item in 17; "
        "without the encoder's.",
        "metric",
    )
    METRIC_ITEMS = counter(
        "expart_scoring_metric_items_total", "Items that a metric was computed for.", "metric"
    )
    PENDING_ITEMS = gauge(
        "expart_scoring_pending_items", "Items that wait or are being scored.", "lane"
    )
    PENDING_BYTES = gauge(
        "expart_scoring_pending_bytes", "Bytes that those items occupy, roughly.", "lane"
    )
    WORKERS = gauge(
        "expart_scoring_workers", "Worker processes; kind is wanted or up.", *("pool", "kind")
    )
    WORKERS_LOST = counter(
        "expart_scoring_workers_lost_total",
        "Workers that ended, hung, or were ended at an item that was withdrawn.",
        "pool",
    )
    WORKER_BUSY_SECONDS = counter(
        "expart_scoring_worker_busy_seconds_total",
        "Seconds in which workers had items, all workers together.",
        "pool",
    )
    BATCH_ITEMS = histogram(
        "expart_scoring_batch_items",
        "Items that a worker was given at once.",
        "pool",
        bounds=BATCH_BOUNDS,
    )
    ENCODER_TOKENS = counter(
        "expart_scoring_encoder_tokens_total", "Tokens that the encoder embedded, without padding."
    )
    ENCODER_BATCH_SECONDS = histogram(
        "expart_scoring_encoder_batch_seconds",
        "Seconds that the encoder took for a batch of texts.",
        bounds=ENCODER_BOUNDS_S,
    )
    REFERENCE_LOOKUPS = counter(
        "expart_scoring_reference_cache_lookups_total",
        "References that workers looked up among those analysed before; outcome is hit or miss.",
        "outcome",
    )
    EMBEDDING_LOOKUPS = counter(
        "expart_scoring_embedding_cache_lookups_total",
        "Texts that the encoder looked up among those embedded before; outcome is hit or miss.",
        "outcome",
    )
