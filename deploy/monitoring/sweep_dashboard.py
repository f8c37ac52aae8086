"""How far a sweep is, what it costs, and what fails."""

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
from deploy.monitoring.promql import mean, most, quantile, rate, selector, total

_SWEEP = ('namespace=~"$namespace"', 'sweep=~"$sweep"')
_MODEL = (*_SWEEP, 'model=~"$model"')
_PLANNED = total(selector("expart_sweep_questions_planned", *_MODEL))
_DONE = total(selector("expart_sweep_questions_done", *_MODEL))
_FAILED = total(selector("expart_sweep_questions_failed", *_MODEL))
_SETTLED = "expart_sweep_questions_settled_total"
_HAS_FAILED = 'outcome="failed"'
_NO_DRIVER = "no driver ran in this time"
_ALL_SHARDS = (
    "Drivers that run add up; one that has ended tells nothing any more, and expart sweep status "
    "counts all."
)

_SUMMARY = (
    firing_alerts(),
    stat(
        "Stored",
        "Part of the planned questions whose answer is stored durably. " + _ALL_SHARDS,
        "percentunit",
        f"{_DONE} / {_PLANNED}",
        decimals=1,
    ),
    stat(
        "Settled a second",
        "Questions that were answered or failed for good.",
        "reqps",
        total(rate(_SETTLED, *_MODEL)),
        decimals=2,
        runbook="ExpartSweepStalled",
    ),
    stat(
        "Left",
        "Questions that are neither answered nor failed.",
        "short",
        f"{_PLANNED} - {_DONE} - {_FAILED}",
        decimals=0,
    ),
    stat(
        "Time left",
        "By the slowest driver's own reckoning, which follows its rate of late.",
        "s",
        most(selector("expart_sweep_eta_seconds", *_SWEEP)),
        runbook="ExpartSweepStalled",
        empty="no pace, or no driver",
    ),
    stat(
        "Failed",
        "Questions that failed or lack a picture; expart sweep status OUTPUT says why.",
        "short",
        _FAILED,
        steps=bad_from(1, 100),
        decimals=0,
        runbook="ExpartSweepFailureRatio",
    ),
    stat(
        "Cost of this run",
        "Money for the tokens since the drivers started, by the spec's prices; without prices "
        "there is none. expart sweep status has the sum over all runs.",
        "none",
        total(selector("expart_sweep_token_cost_total", *_MODEL), "currency"),
        legend="{{currency}}",
        decimals=2,
        empty="no prices, or no driver",
    ),
)

_PROGRESS = (
    Panel(
        "Stored by model",
        "Part of each model's questions whose answer is stored.",
        "percentunit",
        (
            Query(
                f"{total(selector('expart_sweep_questions_done', *_MODEL), 'model')}"
                f" / {total(selector('expart_sweep_questions_planned', *_MODEL), 'model')}",
                "{{model}}",
            ),
        ),
        maximum=1,
    ),
    Panel(
        "Questions settled",
        "Answered or failed for good, a second. Flat at zero while questions are left means that "
        "the sweep stands still.",
        "reqps",
        (Query(total(rate(_SETTLED, *_MODEL), "model", "outcome"), "{{model}} {{outcome}}"),),
        stacked=True,
        runbook="ExpartSweepStalled",
    ),
    Panel(
        "In flight, and the limit",
        "The driver lowers its limit when the service refuses or its queue grows too long.",
        "short",
        (
            Query(
                total(selector("expart_sweep_questions_in_flight", *_MODEL), "model"),
                "{{model}} in flight",
            ),
            Query(
                total(selector("expart_sweep_concurrency_limit", *_MODEL), "model"),
                "{{model}} limit",
            ),
        ),
    ),
    Panel(
        "Seconds to an answer",
        "From a question's arrival at the service to its answer, waiting included.",
        "s",
        (
            Query(
                quantile(0.5, "expart_sweep_generation_seconds", *_MODEL, by=("model",)),
                "{{model}} p50",
            ),
            Query(
                quantile(0.95, "expart_sweep_generation_seconds", *_MODEL, by=("model",)),
                "{{model}} p95",
            ),
        ),
    ),
    Panel(
        "Running for",
        "Since each driver began to ask. A line that starts anew is a driver that was started "
        "again; it goes on where it was.",
        "s",
        (Query(selector("expart_sweep_run_seconds", *_SWEEP), "{{sweep}} {{instance}}"),),
    ),
    Panel(
        "Time left",
        "By each driver's own reckoning.",
        "s",
        (Query(selector("expart_sweep_eta_seconds", *_SWEEP), "{{sweep}} {{instance}}"),),
    ),
)

_FAILURES = (
    Panel(
        "Failed, part of the settled",
        "By model. More than one in twenty for a while raises an alert.",
        "percentunit",
        (
            Query(
                f"{total(rate(_SETTLED, *_MODEL, _HAS_FAILED), 'model')}"
                f" / ({total(rate(_SETTLED, *_MODEL), 'model')} > 0)",
                "{{model}}",
            ),
        ),
        steps=(Step(0.05, "red"),),
        maximum=1,
        runbook="ExpartSweepFailureRatio",
    ),
    Panel(
        "Asked again",
        "By reason, a second. OVERLOADED is the service's way to say wait, and no fault.",
        "reqps",
        (
            Query(
                total(rate("expart_sweep_retries_total", *_MODEL), "model", "reason"),
                "{{model}} {{reason}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Set aside",
        "1 where this run asks the model no more, because it failed too often or answered nobody.",
        "bool_yes_no",
        (Query(most(selector("expart_sweep_model_set_aside", *_MODEL), "model"), "{{model}}"),),
        steps=(Step(1, "red"),),
        maximum=1,
        runbook="ExpartSweepFailureRatio",
    ),
)

_TOKENS = (
    Panel(
        "Tokens read",
        "Of prompts, pictures included, a second.",
        "short",
        (Query(total(rate("expart_sweep_prompt_tokens_total", *_MODEL), "model"), "{{model}}"),),
        stacked=True,
    ),
    Panel(
        "Tokens generated",
        "Of stored answers, a second.",
        "short",
        (Query(total(rate("expart_sweep_generated_tokens_total", *_MODEL), "model"), "{{model}}"),),
        stacked=True,
    ),
    Panel(
        "Cost by model",
        "Of this run's tokens, in the spec's currency.",
        "none",
        (
            Query(
                total(selector("expart_sweep_token_cost_total", *_MODEL), "model", "currency"),
                "{{model}} {{currency}}",
            ),
        ),
        decimals=2,
        empty="no prices in the spec, or no driver ran",
    ),
)

_STORAGE = (
    Panel(
        "Scored, and waiting for scores",
        "Stored explanations. A backlog that grows means that scoring is slower than generation.",
        "short",
        (
            Query(
                total(selector("expart_sweep_explanations_scored", *_SWEEP), "sweep"),
                "{{sweep}} scored",
            ),
            Query(
                total(selector("expart_sweep_scoring_backlog", *_SWEEP), "sweep"),
                "{{sweep}} backlog",
            ),
        ),
    ),
    Panel(
        "Seconds to commit",
        "To make results durable. Answers count as stored only then.",
        "s",
        (
            Query(
                quantile(0.95, "expart_sweep_commit_seconds", *_SWEEP, by=("sweep",)),
                "{{sweep}} p95",
            ),
            Query(mean("expart_sweep_commit_seconds", *_SWEEP, by=("sweep",)), "{{sweep}} mean"),
        ),
    ),
    Panel(
        "Commits",
        "A second, over all drivers.",
        "ops",
        (Query(total(rate("expart_sweep_commits_total", *_SWEEP), "sweep"), "{{sweep}}"),),
    ),
)

SWEEP = Dashboard(
    uid="expart-sweep",
    title="ExpArt sweep",
    description="Progress, cost and failures of sweeps, as their drivers tell them.",
    variables=(
        Variable("namespace", "Namespace", "expart_sweep_run_seconds", "namespace"),
        Variable("sweep", "Sweep", 'expart_sweep_run_seconds{namespace=~"$namespace"}', "sweep"),
        Variable(
            "model",
            "Model",
            'expart_sweep_questions_planned{namespace=~"$namespace",sweep=~"$sweep"}',
            "model",
        ),
    ),
    rows=(
        Row("Now", _SUMMARY, "no driver runs"),
        Row("Progress", _PROGRESS, _NO_DRIVER),
        Row("Failures", _FAILURES, _NO_DRIVER),
        Row("Tokens and cost", _TOKENS, _NO_DRIVER),
        Row("Scores and storage", _STORAGE, _NO_DRIVER),
    ),
)
