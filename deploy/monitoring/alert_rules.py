"""Alerts on what breaks, besides the promises."""

from deploy.monitoring.promql import most, quantile, rate, selector, total
from deploy.monitoring.rule import Alert, Recording, RuleGroup
from deploy.monitoring.slo_rules import COMPONENTS

REFUSED = "namespace_component:expart_calls_refused:ratio_rate10m"
INTERACTIVE_WAIT = "namespace_model:expart_interactive_queue_seconds:p95_rate10m"
SWEEP_LEFT = "namespace_sweep:expart_sweep_questions_left:sum"
SWEEP_FAILED = "namespace_sweep_model:expart_sweep_failed:ratio_rate30m"
CERTIFICATE_LEFT = "namespace_component:expart_certificate_seconds_left:min"
_SETTLED = "expart_sweep_questions_settled_total"
_BY_SWEEP = ("namespace", "sweep")
_BY_MODEL = ("namespace", "model")
_BY_ASKED = ("namespace", "sweep", "model")
_DAY_S = 86_400


def _generation() -> RuleGroup:
    model = most(selector("expart_generation_model_state", 'state="failed"'), *_BY_MODEL)
    replicas = "expart_generation_model_replicas"
    wanted = most(selector(replicas, 'kind="wanted"'), *_BY_MODEL)
    ready = most(selector(replicas, 'kind="ready"'), *_BY_MODEL)
    queue, interactive = "expart_generation_queue_seconds", 'lane="interactive"'
    taken = total(f"increase({selector(f'{queue}_count', interactive)}[10m])", *_BY_MODEL)
    return RuleGroup(
        "expart-generation",
        (
            Alert(
                "ExpartModelFailedToLoad",
                f"{model} == 1",
                "1m",
                "critical",
                "{{ $labels.model }} in {{ $labels.namespace }} could not be loaded",
                "Every call to {{ $labels.model }} ends with MODEL_FAILED, and sweeps set it "
                "aside. ListModels has the reason.",
            ),
            Alert(
                "ExpartReplicasBelowWanted",
                f"{wanted} - {ready} > 0",
                "20m",
                "warning",
                "{{ $labels.model }} in {{ $labels.namespace }} lacks replicas",
                "{{ $value }} replicas of {{ $labels.model }} are wanted and have not come up for "
                "20 minutes: no room on the cluster, a slow download, or a fault in loading.",
            ),
            Recording(
                INTERACTIVE_WAIT,
                quantile(
                    0.95,
                    queue,
                    interactive,
                    by=_BY_MODEL,
                    window="10m",
                ),
            ),
            Alert(
                "ExpartQueueSaturated",
                # Of fewer calls, the one that woke a model would decide.
                f"{INTERACTIVE_WAIT} > 15 and {taken} >= 10",
                "10m",
                "warning",
                "Interactive calls to {{ $labels.model }} in {{ $labels.namespace }} wait long",
                "One in twenty interactive calls to {{ $labels.model }} waits for over "
                "{{ $value | humanizeDuration }} before a replica takes it.",
                {"sign": "waiting"},
            ),
        ),
    )


def _services() -> RuleGroup:
    rules: list[Recording | Alert] = []
    for component in COMPONENTS:
        calls = f"expart_{component}_calls_total"
        refused = total(
            rate(f"expart_{component}_calls_rejected_total", 'reason="OVERLOADED"', window="10m"),
            "namespace",
        )
        every = total(rate(calls, 'method!~"Check|Watch"', window="10m"), "namespace")
        rules.append(
            Recording(
                REFUSED, f"({refused} or 0 * {every}) / ({every} > 0)", {"component": component}
            )
        )
        expiry = f"expart_{component}_certificate_expiry_timestamp_seconds"
        rules.append(
            Recording(
                CERTIFICATE_LEFT,
                f"min by (namespace) ({expiry}) - time()",
                {"component": component},
            )
        )
    rules.append(
        Alert(
            "ExpartQueueSaturated",
            f"{REFUSED} > 0.1",
            "15m",
            "warning",
            "{{ $labels.component }} in {{ $labels.namespace }} refuses calls",
            "{{ $value | humanizePercentage }} of the calls are refused as OVERLOADED: more is "
            "asked than the service can take.",
            {"sign": "refused"},
        )
    )
    rules += [
        Alert(
            "ExpartCertificateExpiring",
            f"{CERTIFICATE_LEFT} < {days * _DAY_S}",
            "15m",
            severity,
            "The certificate of {{ $labels.component }} in {{ $labels.namespace }} expires",
            "It is valid for {{ $value | humanizeDuration }} more; afterwards no client that "
            "checks it can call.",
        )
        for days, severity in ((14, "warning"), (2, "critical"))
    ]
    rules += [_gone(component) for component in COMPONENTS]
    return RuleGroup("expart-services", tuple(rules))


def _gone(component: str) -> Alert:
    lives = f"expart_{component}_draining"
    return Alert(
        "ExpartServiceGone",
        f"count by (namespace) (last_over_time({lives}[1d])) unless count by (namespace) ({lives})",
        "5m",
        "critical",
        f"No process of {component} in {{{{ $labels.namespace }}}} tells of itself any more",
        "There were such processes within the last day. Either none runs, or Prometheus cannot "
        "reach them; every other alert on them is blind meanwhile.",
        {"component": component},
    )


def _scoring() -> RuleGroup:
    workers = "expart_scoring_workers"
    by = ("namespace", "pool")
    wanted = total(selector(workers, 'kind="wanted"'), *by)
    up = total(selector(workers, 'kind="up"'), *by)
    lost = f"sum by (namespace, pool) (increase({workers}_lost_total[15m]))"
    return RuleGroup(
        "expart-scoring",
        (
            Alert(
                "ExpartScoringPoolDying",
                f"{lost} > 5",
                "5m",
                "warning",
                "Workers of the {{ $labels.pool }} pool in {{ $labels.namespace }} die",
                "{{ $value | humanize }} workers were lost in 15 minutes. Their items are given to "
                "others once; an item that takes a second worker with it fails.",
                {"sign": "lost"},
            ),
            Alert(
                "ExpartScoringPoolDying",
                f"{wanted} - {up} > 0",
                "10m",
                "warning",
                "The {{ $labels.pool }} pool in {{ $labels.namespace }} lacks workers",
                "{{ $value }} workers have not come up for 10 minutes, so scoring is slower than "
                "it is sized for, or stands still.",
                {"sign": "missing"},
            ),
        ),
    )


def _sweep() -> RuleGroup:
    questions = "expart_sweep_questions"
    left = (
        f"{total(f'{questions}_planned', *_BY_SWEEP)} - {total(f'{questions}_done', *_BY_SWEEP)}"
        f" - {total(f'{questions}_failed', *_BY_SWEEP)}"
    )
    settled = total(f"increase({_SETTLED}[10m])", *_BY_SWEEP)
    has_failed = 'outcome="failed"'
    failed = total(rate(_SETTLED, has_failed, window="30m"), *_BY_ASKED)
    every = total(rate(_SETTLED, window="30m"), *_BY_ASKED)
    enough = total(f"increase({_SETTLED}[30m])", *_BY_ASKED)
    return RuleGroup(
        "expart-sweep",
        (
            Recording(SWEEP_LEFT, left),
            Alert(
                "ExpartSweepStalled",
                f"{SWEEP_LEFT} > 0 and {settled} == 0",
                "20m",
                "warning",
                "Sweep {{ $labels.sweep }} in {{ $labels.namespace }} stands still",
                "{{ $value }} questions are left, and none was settled for half an hour.",
            ),
            Recording(SWEEP_FAILED, f"{failed} / ({every} > 0)"),
            Alert(
                "ExpartSweepFailureRatio",
                f"{SWEEP_FAILED} > 0.05 and {enough} >= 20",
                "5m",
                "warning",
                "Questions to {{ $labels.model }} in sweep {{ $labels.sweep }} fail",
                "{{ $value | humanizePercentage }} of what was settled in half an hour failed for "
                "good. Failed questions are left out of the scores, never counted as empty "
                "answers.",
                {"sign": "failed"},
            ),
            Alert(
                "ExpartSweepFailureRatio",
                f"{most('expart_sweep_model_set_aside', *_BY_ASKED)} == 1",
                "1m",
                "warning",
                "Sweep {{ $labels.sweep }} has set {{ $labels.model }} aside",
                "It failed too often by the service's fault, or answered nobody. This run asks it "
                "no more; the next run of the same command does.",
                {"sign": "set_aside"},
            ),
        ),
    )


ALERT_GROUPS = (_services(), _generation(), _scoring(), _sweep())
