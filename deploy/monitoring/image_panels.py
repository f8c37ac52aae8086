"""What the fronts keep of images and results, and the bytes that pass them."""

from deploy.monitoring.dashboard import Panel, Query
from deploy.monitoring.promql import rate, selector, total

_NAMESPACE = 'namespace=~"$namespace"'

IMAGE_PANELS = (
    Panel(
        "Images by digest",
        "Look-ups a second. A miss makes the caller send the bytes; many of them mean that the "
        "store is too small, or that fronts share no folder.",
        "reqps",
        (
            Query(
                total(rate("expart_generation_image_lookups_total", _NAMESPACE), "outcome"),
                "{{outcome}}",
            ),
            Query(
                total(rate("expart_generation_image_uploads_total", _NAMESPACE), "outcome"),
                "upload {{outcome}}",
            ),
        ),
    ),
    Panel(
        "Image bytes",
        "Held for calls in flight, and kept for those that name images by digest.",
        "bytes",
        (
            Query(
                total(selector("expart_generation_image_bytes_in_flight", _NAMESPACE)), "in flight"
            ),
            Query(total(selector("expart_generation_image_store_bytes", _NAMESPACE)), "kept"),
        ),
    ),
    Panel(
        "Repeated requests",
        "Look-ups of request_ids a second: new ones, results given again, callers that joined a "
        "generation, and ids that came with another body.",
        "reqps",
        (
            Query(
                total(rate("expart_generation_replay_lookups_total", _NAMESPACE), "outcome"),
                "{{outcome}}",
            ),
        ),
    ),
    Panel(
        "Images kept",
        "How many images the fronts keep for calls that name them.",
        "short",
        (Query(total(selector("expart_generation_image_store_images", _NAMESPACE)), "images"),),
        decimals=0,
    ),
    Panel(
        "Bytes in",
        "Of requests, a second.",
        "Bps",
        (
            Query(
                total(rate("expart_generation_request_bytes_total", _NAMESPACE), "method"),
                "{{method}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Bytes out",
        "Of responses, a second.",
        "Bps",
        (
            Query(
                total(rate("expart_generation_response_bytes_total", _NAMESPACE), "method"),
                "{{method}}",
            ),
        ),
        stacked=True,
    ),
)
