"""What the generation service does for each model, and how well."""

from deploy.monitoring.dashboard import (
    Dashboard,
    Panel,
    Query,
    Row,
    Step,
    Variable,
    bad_from,
    firing_alerts,
    stat,
)
from deploy.monitoring.engine_panels import ENGINE_PANELS
from deploy.monitoring.image_panels import IMAGE_PANELS
from deploy.monitoring.promise_panels import availability_speed, first_token_speed
from deploy.monitoring.promql import most, quantile, rate, selector, total
from deploy.monitoring.replica_panels import REPLICA_PANELS
from deploy.monitoring.slo import AVAILABILITY, TIME_TO_FIRST_TOKEN

_NAMESPACE = 'namespace=~"$namespace"'
_MODEL = (_NAMESPACE, 'model=~"$model"')
# As OpenTelemetry's conventions name the label.
_GEN_AI = (_NAMESPACE, 'gen_ai_request_model=~"$model"')
_TO_FIRST = "gen_ai_server_time_to_first_token_seconds"
_TO_NEXT = "gen_ai_server_time_per_output_token_seconds"
_REQUEST = "gen_ai_server_request_duration_seconds"
_STATE = "expart_generation_model_state"
_READY = most(selector(_STATE, *_MODEL, 'state="ready"'), "model")
_FAILED = most(selector(_STATE, *_MODEL, 'state="failed"'), "model")
_OF_THIS = (_NAMESPACE, 'component="generation"')
_NO_FRONT = "no front in this time"
_PROMISES = (availability_speed("generation"), first_token_speed())

_SUMMARY = (
    firing_alerts(),
    stat(
        "Models ready",
        "Models with a replica that answers. Those scaled to zero are not among them, and are no "
        "fault.",
        "short",
        f"count({_READY} == 1) or vector(0)",
        decimals=0,
    ),
    stat(
        "Models failed",
        "Models that could not be loaded; ListModels has the reason.",
        "short",
        f"count({_FAILED} == 1) or vector(0)",
        steps=(Step(1, "red"),),
        decimals=0,
        runbook="ExpartModelFailedToLoad",
    ),
    stat(
        "Calls failed, 1 h",
        "Part of the calls that ended by the service's fault or ran out of time.",
        "percentunit",
        most(selector(AVAILABILITY.record("1h"), *_OF_THIS)),
        empty="no calls",
        steps=bad_from(1 - AVAILABILITY.objective, 14.4 * (1 - AVAILABILITY.objective)),
        decimals=2,
        runbook="ExpartAvailabilityBurnRate",
    ),
    stat(
        "Late first tokens, 1 h",
        "Part of the interactive answers whose first token took over "
        f"{TIME_TO_FIRST_TOKEN.limit_s:g} s, of the model with the most.",
        "percentunit",
        most(selector(TIME_TO_FIRST_TOKEN.record("1h"), *_MODEL)),
        empty="no interactive answers",
        steps=bad_from(1 - TIME_TO_FIRST_TOKEN.objective, 3 * (1 - TIME_TO_FIRST_TOKEN.objective)),
        decimals=2,
        runbook="ExpartTimeToFirstTokenBurnRate",
    ),
    stat(
        "Waiting",
        "Calls that wait for a place, in both lanes.",
        "short",
        total(selector("expart_generation_waiting", *_MODEL)),
        decimals=0,
        runbook="ExpartQueueSaturated",
    ),
    stat(
        "Tokens a second",
        "Generated, over all chosen models.",
        "short",
        total(rate("expart_generation_generated_tokens_total", *_MODEL)),
        decimals=0,
    ),
)

_LOAD = (
    Panel(
        "Calls by method and end",
        "A second. RESOURCE_EXHAUSTED is an overload, which callers are told to wait for; "
        "INTERNAL, UNAVAILABLE and ABORTED are the service's faults.",
        "reqps",
        (
            Query(
                total(rate("expart_generation_calls_total", _NAMESPACE), "method", "code"),
                "{{method}} {{code}}",
            ),
        ),
        stacked=True,
        runbook="ExpartAvailabilityBurnRate",
    ),
    Panel(
        "Running, and places",
        "Explanations that were sent on to replicas, and how many the ready replicas take. Where "
        "both meet, the next calls wait.",
        "short",
        (
            Query(
                total(selector("expart_generation_running", *_MODEL), "model"), "{{model}} running"
            ),
            Query(most(selector("expart_generation_places", *_MODEL), "model"), "{{model}} places"),
        ),
    ),
    Panel(
        "Waiting for a place",
        "By lane. Interactive calls go first, so those of sweeps wait longer.",
        "short",
        (
            Query(
                total(selector("expart_generation_waiting", *_MODEL), "model", "lane"),
                "{{model}} {{lane}}",
            ),
        ),
        stacked=True,
        runbook="ExpartQueueSaturated",
    ),
    Panel(
        "Seconds of waiting, p95",
        "Until a replica takes the call, by lane.",
        "s",
        (
            Query(
                quantile(0.95, "expart_generation_queue_seconds", *_MODEL, by=("model", "lane")),
                "{{model}} {{lane}}",
            ),
        ),
        runbook="ExpartQueueSaturated",
    ),
    Panel(
        "Refused calls",
        "By reason, a second. OVERLOADED: no room to wait, or no time for an answer.",
        "reqps",
        (
            Query(
                total(rate("expart_generation_calls_rejected_total", _NAMESPACE), "reason"),
                "{{reason}}",
            ),
        ),
        stacked=True,
        runbook="ExpartQueueSaturated",
    ),
    Panel(
        "Calls in flight",
        "By method; waiting ones are among them.",
        "short",
        (
            Query(
                total(selector("expart_generation_calls_in_flight", _NAMESPACE), "method"),
                "{{method}}",
            ),
        ),
    ),
)


def _latency(title: str, description: str, histogram: str, *, runbook: str = "") -> Panel:
    queries = tuple(
        Query(quantile(level, histogram, *_GEN_AI, by=("gen_ai_request_model",)), legend)
        for level, legend in (
            (0.5, "{{gen_ai_request_model}} p50"),
            (0.95, "{{gen_ai_request_model}} p95"),
        )
    )
    return Panel(title, description, "s", queries, runbook=runbook)


_LATENCY = (
    _latency(
        "Time to first token",
        "From a call's arrival to its first text, waiting included, in both lanes.",
        _TO_FIRST,
        runbook="ExpartTimeToFirstTokenBurnRate",
    ),
    _latency(
        "Time per output token",
        "After the first one. It grows with the batch that a replica works on.",
        _TO_NEXT,
    ),
    _latency("Whole answers", "From a call's arrival to its end.", _REQUEST),
)

_TOKENS = (
    Panel(
        "Tokens",
        "A second, by model: generated ones, and those of the prompts, pictures included.",
        "short",
        (
            Query(
                total(rate("expart_generation_generated_tokens_total", *_MODEL), "model"),
                "{{model}} generated",
            ),
            Query(
                total(rate("expart_generation_prompt_tokens_total", *_MODEL), "model"),
                "{{model}} prompt",
            ),
        ),
    ),
    Panel(
        "Explanations by end",
        "A second. Many that end by length are cut off by max_tokens.",
        "reqps",
        (
            Query(
                total(
                    rate("expart_generation_explanations_total", *_MODEL),
                    "model",
                    "finish_reason",
                ),
                "{{model}} {{finish_reason}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Ended early, and the tokens wasted on it",
        "By cause: the client left, its deadline passed, the engine was lost.",
        "short",
        (
            Query(
                total(
                    rate("expart_generation_explanations_cancelled_total", *_MODEL),
                    "model",
                    "cause",
                ),
                "{{model}} {{cause}}, explanations a second",
            ),
            Query(
                total(rate("expart_generation_wasted_tokens_total", *_MODEL), "model", "cause"),
                "{{model}} {{cause}}, tokens a second",
            ),
        ),
    ),
)

GENERATION = Dashboard(
    uid="expart-generation",
    title="ExpArt generation",
    description="Load, latency, tokens, queues, replicas and errors of every model.",
    variables=(
        Variable("namespace", "Namespace", _STATE, "namespace"),
        Variable("model", "Model", f'{_STATE}{{namespace=~"$namespace"}}', "model"),
    ),
    rows=(
        Row("Now", _SUMMARY, "no front"),
        Row("Promises", _PROMISES, "no calls in this time"),
        Row("Load", _LOAD, _NO_FRONT),
        Row("Latency", _LATENCY, "no answers in this time"),
        Row("Tokens", _TOKENS, _NO_FRONT),
        Row("Replicas", REPLICA_PANELS, _NO_FRONT),
        Row("Engine", ENGINE_PANELS, "no replica with vLLM in this time"),
        Row("Images and repeated requests", IMAGE_PANELS, _NO_FRONT),
    ),
)
