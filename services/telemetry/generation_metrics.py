"""Every Prometheus metric of a generation front beside those of its calls, declared once.

Labels come from closed sets: ``model`` is a name of the catalog, ``lane`` is ``interactive`` or
``sweep``; the others are named with their metric. Durations that OpenTelemetry's conventions for
generative AI have names for bear those names, in Prometheus' form; so does the model's label there.
"""

from services.telemetry.declarations import counter, gauge, histogram

# The conventions' own buckets, and some more for calls that wait for a place or a replica.
# Source: opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics (1.37).
FIRST_TOKEN_BOUNDS_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0, 320.0),
)
TOKEN_BOUNDS_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
REQUEST_BOUNDS_S = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    *(163.84, 327.68, 655.36),
)
QUEUE_BOUNDS_S = (0.001, 0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
COLD_START_BOUNDS_S = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0)


class GenerationMetrics:
    """The declarations."""

    EXPLANATIONS = counter(
        "expart_generation_explanations_total",
        "Explanations that were generated to their end; finish_reason is stop or length.",
        *("model", "lane", "finish_reason"),
    )
    CANCELLED = counter(
        "expart_generation_explanations_cancelled_total",
        "Explanations given up before their end; cause is client, deadline or engine_lost.",
        *("model", "cause"),
    )
    WASTED_TOKENS = counter(
        "expart_generation_wasted_tokens_total",
        "Tokens that were generated for explanations given up, estimated.",
        *("model", "cause"),
    )
    PROMPT_TOKENS = counter(
        "expart_generation_prompt_tokens_total",
        "Tokens of the prompts of explanations, the pictures' included.",
        "model",
    )
    GENERATED_TOKENS = counter(
        "expart_generation_generated_tokens_total", "Tokens of explanations.", "model"
    )
    FIRST_TOKEN_SECONDS = histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "Seconds from a request's arrival at the front to its first token, waiting included; of "
        "explanations that were generated to their end.",
        *("gen_ai_request_model", "expart_lane"),
        bounds=FIRST_TOKEN_BOUNDS_S,
    )
    TOKEN_SECONDS = histogram(
        "gen_ai_server_time_per_output_token_seconds",
        "Seconds from the first token to the last, divided by the tokens after the first.",
        "gen_ai_request_model",
        bounds=TOKEN_BOUNDS_S,
    )
    REQUEST_SECONDS = histogram(
        "gen_ai_server_request_duration_seconds",
        "Seconds from a request's arrival at the front to the end of its explanation.",
        "gen_ai_request_model",
        bounds=REQUEST_BOUNDS_S,
    )
    QUEUE_SECONDS = histogram(
        "expart_generation_queue_seconds",
        "Seconds that a request waited before it got a place at the model's replicas.",
        *("model", "lane"),
        bounds=QUEUE_BOUNDS_S,
    )
    RUNNING = gauge(
        "expart_generation_running",
        "Requests of this front that have a place at the model's replicas.",
        "model",
    )
    WAITING = gauge(
        "expart_generation_waiting",
        "Requests of this front that wait for a place.",
        *("model", "lane"),
    )
    PLACES = gauge(
        "expart_generation_places",
        "Places at the model's replicas that this front gives out.",
        "model",
    )
    IMAGE_BYTES_IN_FLIGHT = gauge(
        "expart_generation_image_bytes_in_flight",
        "Bytes of the pictures of requests and uploads in flight.",
    )
    IMAGE_STORE_BYTES = gauge(
        "expart_generation_image_store_bytes", "Bytes of the pictures kept for later requests."
    )
    IMAGE_STORE_IMAGES = gauge(
        "expart_generation_image_store_images", "Pictures kept for later requests."
    )
    IMAGE_LOOKUPS = counter(
        "expart_generation_image_lookups_total",
        "Pictures that requests named by digest; outcome is hit, folder (of all fronts) or miss.",
        "outcome",
    )
    IMAGE_UPLOADS = counter(
        "expart_generation_image_uploads_total",
        "Uploads of pictures that ended; outcome is stored, known or refused.",
        "outcome",
    )
    REPLAY_LOOKUPS = counter(
        "expart_generation_replay_lookups_total",
        "Requests with a request_id of the caller's; outcome is new, replayed, joined or conflict.",
        "outcome",
    )
    MODEL_STATE = gauge(
        "expart_generation_model_state",
        "1 for the state that a model is in: ready, loading, scaled_to_zero or failed.",
        *("model", "state"),
    )
    MODEL_REPLICAS = gauge(
        "expart_generation_model_replicas",
        "Replicas of a model; kind is wanted or ready.",
        *("model", "kind"),
    )
    COLD_STARTS = counter(
        "expart_generation_cold_starts_total",
        "How often a request to this front woke a model that had no replica.",
        "model",
    )
    COLD_START_SECONDS = histogram(
        "expart_generation_cold_start_seconds",
        "Seconds from such a request until a replica was ready.",
        "model",
        bounds=COLD_START_BOUNDS_S,
    )
