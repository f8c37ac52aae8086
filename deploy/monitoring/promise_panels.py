"""How fast the promises are used up, beside the speeds at which alerts fire."""

from deploy.monitoring.dashboard import Panel, Query, Step
from deploy.monitoring.promql import selector
from deploy.monitoring.slo import AVAILABILITY, BURNS, TIME_TO_FIRST_TOKEN, Promise

_NAMESPACE = 'namespace=~"$namespace"'
_MEANING = (
    "At 1 the month's allowance lasts just the month. An alert fires where the line of its window, "
    "and that of a shorter one, is above the speed that the legend names, with enough calls."
)


def availability_speed(component: str, width: int = 12) -> Panel:
    """Makes the panel on the calls of a service that fail."""
    return _speed(
        "Failed calls, speed of the promise's use",
        AVAILABILITY,
        "ExpartAvailabilityBurnRate",
        ("namespace",),
        f'component="{component}"',
        width=width,
    )


def first_token_speed() -> Panel:
    """Makes the panel on the interactive answers of each model that begin late."""
    return _speed(
        "Late first tokens, speed of the promise's use",
        TIME_TO_FIRST_TOKEN,
        "ExpartTimeToFirstTokenBurnRate",
        ("namespace", "model"),
        'model=~"$model"',
        width=12,
    )


def _speed(
    title: str, promise: Promise, runbook: str, by: tuple[str, ...], *matchers: str, width: int
) -> Panel:
    allowed = f"(1 - scalar({promise.objective_record}))"
    names = " ".join(f"{{{{{label}}}}}" for label in by)
    queries = tuple(
        Query(
            f"{selector(promise.record(burn.long), _NAMESPACE, *matchers)} / {allowed}",
            f"{names}, {burn.long}: alert above {burn.speed:g}",
        )
        for burn in BURNS
    )
    return Panel(
        title, _MEANING, "none", queries, steps=(Step(1, "orange"),), runbook=runbook, width=width
    )
