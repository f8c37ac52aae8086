"""How a model is, judged by what Ray Serve says about its application."""

import pytest
from ray.serve import schema

from services.generation.conditions import model_condition, one_line_reason
from services.generation.domain import ModelState

TRACEBACK = """The deployment failed to start 1 times in a row. Error:
ray::ServeReplica:model-x:Model.initialize_and_get_metadata() (pid=7, ip=127.0.0.2)
  File "replica.py", line 3, in __init__
    await self._runner.start()
ValueError: an inner cause
The above exception was the direct cause of the following exception:
services.core.errors.ModelFailedError: /models/x holds no model: config.json is missing
"""


def application(
    status: str, replicas: dict[str, int], message: str = ""
) -> schema.ApplicationStatusOverview:
    deployment = schema.DeploymentStatusOverview(
        status="UPDATING", status_trigger="UNSPECIFIED", replica_states=replicas, message=message
    )
    return schema.ApplicationStatusOverview(
        status=schema.ApplicationStatus(status),
        message="",
        last_deployed_time_s=0.0,
        deployments={"Model": deployment},
    )


def test_an_application_that_serve_does_not_know_yet_is_loading() -> None:
    assert model_condition(None, may_be_empty=False).state is ModelState.LOADING


def test_running_replicas_make_a_model_ready_whatever_else_goes_on() -> None:
    found = model_condition(
        application("DEPLOYING", {"RUNNING": 2, "STARTING": 1}), may_be_empty=False
    )
    assert found.state is ModelState.READY
    assert found.ready_replica_count == 2


def test_a_starting_replica_is_loading() -> None:
    found = model_condition(application("DEPLOYING", {"STARTING": 1}), may_be_empty=False)
    assert found.state is ModelState.LOADING
    assert found.reason


def test_a_failed_deployment_says_why_in_one_line() -> None:
    found = model_condition(application("DEPLOY_FAILED", {}, TRACEBACK), may_be_empty=False)
    assert found.state is ModelState.FAILED
    assert found.reason == "/models/x holds no model: config.json is missing"


def test_no_replica_is_scaled_to_zero_only_where_that_is_wanted() -> None:
    empty = application("RUNNING", {})
    assert model_condition(empty, may_be_empty=True).state is ModelState.SCALED_TO_ZERO
    assert model_condition(empty, may_be_empty=False).state is ModelState.LOADING


def test_a_replica_that_comes_up_from_zero_is_loading() -> None:
    coming = application("RUNNING", {"STARTING": 1})
    assert model_condition(coming, may_be_empty=True).state is ModelState.LOADING


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "Ray Serve gives no reason"),
        ("Waiting.\nNo node has 8 GPUs.\n", "No node has 8 GPUs."),
        ("torch.OutOfMemoryError: 9 GiB wanted", "OutOfMemoryError: 9 GiB wanted"),
        ("x" * 600, "x" * 500),
    ],
)
def test_other_messages_give_their_last_telling_line(message: str, reason: str) -> None:
    assert one_line_reason(message) == reason
