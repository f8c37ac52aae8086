"""Reads what Ray Serve knows about the models' applications."""

import re
from collections.abc import Mapping

from ray.serve.schema import ApplicationStatusOverview, DeploymentStatusOverview

from services.generation.domain import ModelCondition, ModelState

_RUNNING = "RUNNING"
_FAILED_APPLICATION = "DEPLOY_FAILED"
# Replicas in these states are on their way up.
_COMING = ("STARTING", "UPDATING", "RECOVERING", "PENDING_MIGRATION")

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
    ready = counts.get(_RUNNING, 0)
    if ready:
        return ModelCondition(ModelState.READY, ready_replica_count=ready)
    if application.status.value == _FAILED_APPLICATION:
        return ModelCondition(ModelState.FAILED, one_line_reason(full_message(application)))
    coming = any(counts.get(state, 0) for state in _COMING)
    if may_be_empty and not coming and application.status.value == _RUNNING:
        return ModelCondition(ModelState.SCALED_TO_ZERO)
    return ModelCondition(ModelState.LOADING, "a replica is starting")


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


def _replica_counts(deployments: Mapping[str, DeploymentStatusOverview]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for deployment in deployments.values():
        for state, count in deployment.replica_states.items():
            name = str(getattr(state, "value", state))
            counts[name] = counts.get(name, 0) + count
    return counts
