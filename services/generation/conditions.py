"""Reads what Ray Serve knows about the models' applications."""

import re
from collections.abc import Mapping

from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatusOverview,
    DeploymentStatusTrigger,
)

from services.generation.domain import ModelCondition, ModelState

# Replicas in these states hold a loaded model and answer: also while Serve hands them new
# settings, moves them to another node, or finds them again after its controller was replaced.
_ANSWERING = ("RUNNING", "UPDATING", "PENDING_MIGRATION", "RECOVERING")
_STARTING = "STARTING"
_STOPPING = "STOPPING"

# The last line of a traceback: an exception's dotted name, a colon, and what it says.
_EXCEPTION_LINE = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Exit|Interrupt)\w*): *(.+)$")
_MAX_REASON_CHARS = 500


def model_condition(
    application: ApplicationStatusOverview | None, *, may_be_empty: bool
) -> ModelCondition:
    """Judges a model by its Serve application.

    Args:
        application: What Serve says; None if it does not know the application yet.
        may_be_empty: Whether the model scales to zero.
    """
    if application is None:
        return ModelCondition(ModelState.LOADING, "the model is being deployed")
    counts = _replica_counts(application.deployments)
    ready = sum(counts.get(state, 0) for state in _ANSWERING)
    starting = counts.get(_STARTING, 0)
    if ready:
        return ModelCondition(
            ModelState.READY, ready_replica_count=ready, starting_replica_count=starting
        )
    if _cannot_start(application):
        return ModelCondition(ModelState.FAILED, one_line_reason(full_message(application)))
    deployed = application.status is ApplicationStatus.RUNNING
    if may_be_empty and deployed and not starting:
        return ModelCondition(ModelState.SCALED_TO_ZERO, wakes=True)
    reason = _waiting_reason(application) or "a replica is starting"
    # Known to Serve and empty by design: whoever calls may wait, as it is a call that wakes it.
    wakes = may_be_empty and bool(application.deployments)
    return ModelCondition(ModelState.LOADING, reason, wakes=wakes, starting_replica_count=starting)


def is_without_replicas(application: ApplicationStatusOverview) -> bool:
    """Whether no replica has a call in its hands, not even one that is on its way out."""
    counts = _replica_counts(application.deployments)
    return not any(counts.get(state, 0) for state in (*_ANSWERING, _STOPPING))


def full_message(application: ApplicationStatusOverview) -> str:
    """Joins all that Serve says about an application and its deployments."""
    deployments = application.deployments.values()
    return "\n".join([application.message, *(deployment.message for deployment in deployments)])


def one_line_reason(message: str) -> str:
    """Finds the line of a Serve message, often a traceback, that says what went wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    reasons = [found for line in lines if (found := _EXCEPTION_LINE.match(line))]
    if reasons:
        name, text = reasons[-1].groups()
        # Our own errors speak for themselves; others need their name.
        return (text if name == "ModelFailedError" else f"{name}: {text}")[:_MAX_REASON_CHARS]
    return (lines[-1] if lines else "Ray Serve gives no reason")[:_MAX_REASON_CHARS]


def _cannot_start(application: ApplicationStatusOverview) -> bool:
    """Whether Serve has given up, or has tried in vain as often as it is told to.

    It never gives up on a deployment that once ran: such a one it calls unhealthy, and goes on.
    """
    if application.status is ApplicationStatus.DEPLOY_FAILED:
        return True
    return any(
        deployment.status_trigger is DeploymentStatusTrigger.REPLICA_STARTUP_FAILED
        for deployment in application.deployments.values()
    )


def _waiting_reason(application: ApplicationStatusOverview) -> str:
    """What Serve says about a replica that does not come up, such as which resources lack."""
    messages = [item.message for item in application.deployments.values() if item.message]
    return one_line_reason("\n".join(messages)) if messages else ""


def _replica_counts(deployments: Mapping[str, DeploymentStatusOverview]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for deployment in deployments.values():
        for state, count in deployment.replica_states.items():
            name = str(getattr(state, "value", state))
            counts[name] = counts.get(name, 0) + count
    return counts
