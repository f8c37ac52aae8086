"""Every Prometheus metric of a sweep's driver, declared once.

Labels come from closed sets: ``sweep`` is the spec's name, ``model`` one of its models, ``reason``
the name of an error, ``outcome`` is ``done`` or ``failed``. Counters begin at 0 with the driver;
``questions_done`` and ``questions_failed`` are gauges, for they hold what earlier runs did too.
"""

from services.telemetry.declarations import counter, gauge, histogram


class SweepMetrics:
    """The declarations."""

    PLANNED = gauge(
        "expart_sweep_questions_planned", "Questions that the spec asks.", "sweep", "model"
    )
    DONE = gauge(
        "expart_sweep_questions_done", "Questions whose answer is stored durably.", "sweep", "model"
    )
    FAILED = gauge(
        "expart_sweep_questions_failed",
        "Questions that failed or lack a picture.",
        "sweep",
        "model",
    )
    SETTLED = counter(
        "expart_sweep_questions_settled_total",
        "Questions that this driver settled.",
        "sweep",
        "model",
        "outcome",
    )
    IN_FLIGHT = gauge(
        "expart_sweep_questions_in_flight", "Questions being asked now.", "sweep", "model"
    )
    CONCURRENCY = gauge(
        "expart_sweep_concurrency_limit",
        "Most questions that may be in flight now.",
        "sweep",
        "model",
    )
    SET_ASIDE = gauge(
        "expart_sweep_model_set_aside",
        "1 where the model is asked no more in this run.",
        "sweep",
        "model",
    )
    RETRIES = counter(
        "expart_sweep_retries_total",
        "Questions asked again, by reason.",
        "sweep",
        "model",
        "reason",
    )
    PROMPT_TOKENS = counter(
        "expart_sweep_prompt_tokens_total",
        "Tokens read, the pictures' included.",
        "sweep",
        "model",
    )
    GENERATED_TOKENS = counter(
        "expart_sweep_generated_tokens_total", "Tokens generated.", "sweep", "model"
    )
    TOKEN_COST = counter(
        "expart_sweep_token_cost_total",
        "Money for this run's tokens by the spec's prices, in the spec's currency.",
        "sweep",
        "model",
        "currency",
    )
    GENERATION_SECONDS = histogram(
        "expart_sweep_generation_seconds",
        "Seconds from a question's arrival at the service to its answer.",
        "sweep",
        "model",
    )
    SCORED = gauge(
        "expart_sweep_explanations_scored",
        "Explanations whose scores are stored durably.",
        "sweep",
    )
    BACKLOG = gauge(
        "expart_sweep_scoring_backlog", "Stored explanations without stored scores.", "sweep"
    )
    COMMIT_SECONDS = histogram(
        "expart_sweep_commit_seconds", "Seconds that making results durable took.", "sweep"
    )
    COMMITS = counter(
        "expart_sweep_commits_total", "How often this driver made results durable.", "sweep"
    )
    RUN_SECONDS = gauge(
        "expart_sweep_run_seconds", "Seconds since this driver began to ask.", "sweep"
    )
    ETA_SECONDS = gauge(
        "expart_sweep_eta_seconds",
        "Seconds until all is asked at the pace of the last minute; absent while there is none.",
        "sweep",
    )
