"""Rules that follow from what is promised: recorded ratios, and alerts on how fast they burn."""

from deploy.monitoring.promql import rate, total
from deploy.monitoring.rule import Alert, Recording, RuleGroup
from deploy.monitoring.slo import (
    AVAILABILITY,
    BURNS,
    FEWEST_EVENTS,
    TIME_TO_FIRST_TOKEN,
    WINDOWS,
    Burn,
    Promise,
)

COMPONENTS = ("generation", "scoring")
# Probes, and methods that nobody serves, say nothing of how callers fare.
ANSWERED_METHODS = 'method!~"Check|Watch|other"'
FAULT_CODES = 'code=~"ABORTED|DATA_LOSS|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|UNKNOWN"'
_HOUR_S = "3600"


def _availability() -> RuleGroup:
    rules: list[Recording | Alert] = [_objective(AVAILABILITY)]
    for component in COMPONENTS:
        calls = f"expart_{component}_calls_total"
        labels = {"component": component}
        for window in WINDOWS:
            failed = total(rate(calls, ANSWERED_METHODS, FAULT_CODES, window=window), "namespace")
            every = total(rate(calls, ANSWERED_METHODS, window=window), "namespace")
            ratio = f"({failed} or 0 * {every}) / ({every} > 0)"
            rules.append(Recording(AVAILABILITY.record(window), ratio, labels))
        hour = total(rate(calls, ANSWERED_METHODS, window="1h"), "namespace")
        rules.append(Recording(AVAILABILITY.count_record, f"{hour} * {_HOUR_S}", labels))
    rules += [
        _burn_alert(
            AVAILABILITY,
            burn,
            "ExpartAvailabilityBurnRate",
            "{{ $labels.component }} in {{ $labels.namespace }} fails too many calls",
            "Of the {{ $labels.component }} service's calls over the last "
            f"{burn.long}, {{{{ $value | humanizePercentage }}}} ended by its fault or ran out of "
            "time.",
        )
        for burn in BURNS
    ]
    return RuleGroup("expart-availability", tuple(rules))


def _time_to_first_token() -> RuleGroup:
    rules: list[Recording | Alert] = [_objective(TIME_TO_FIRST_TOKEN)]
    rules += [
        Recording(
            TIME_TO_FIRST_TOKEN.record(window),
            f"1 - {_first_tokens('bucket', window, _in_time())}"
            f" / ({_first_tokens('count', window)} > 0)",
        )
        for window in WINDOWS
    ]
    events = f"{_first_tokens('count', '1h')} * {_HOUR_S}"
    rules.append(Recording(TIME_TO_FIRST_TOKEN.count_record, events))
    rules += [
        _burn_alert(
            TIME_TO_FIRST_TOKEN,
            burn,
            "ExpartTimeToFirstTokenBurnRate",
            "{{ $labels.model }} in {{ $labels.namespace }} answers interactive calls late",
            f"Over the last {burn.long}, {{{{ $value | humanizePercentage }}}} of the interactive "
            f"answers of {{{{ $labels.model }}}} had their first token after more than "
            f"{TIME_TO_FIRST_TOKEN.limit_s:g} s.",
        )
        for burn in BURNS
    ]
    return RuleGroup("expart-time-to-first-token", tuple(rules))


def _objective(promise: Promise) -> Recording:
    return Recording(promise.objective_record, f"vector({promise.objective:g})")


def _burn_alert(promise: Promise, burn: Burn, name: str, summary: str, description: str) -> Alert:
    limit = f"{burn.speed:g} * (1 - scalar({promise.objective_record}))"
    return Alert(
        name,
        f"{promise.record(burn.long)} > {limit}"
        f" and {promise.record(burn.short)} > {limit}"
        f" and {promise.count_record} > {FEWEST_EVENTS}",
        burn.after,
        burn.severity,
        summary,
        f"{description} The promise of the month would be used up {burn.speed:g} times too fast.",
        {"burn": burn.kind, "window": burn.long},
    )


def _in_time() -> str:
    # One spelling of the client library, another of Prometheus 3.
    return f'le=~"{TIME_TO_FIRST_TOKEN.limit_s:g}([.]0)?"'


def _first_tokens(part: str, window: str, *matchers: str) -> str:
    name = f"gen_ai_server_time_to_first_token_seconds_{part}"
    speed = rate(name, 'expart_lane="interactive"', *matchers, window=window)
    named = f'label_replace({speed}, "model", "$1", "gen_ai_request_model", "(.*)")'
    return total(named, "namespace", "model")


SLO_GROUPS = (_availability(), _time_to_first_token())
