"""How a model is, judged by what Ray Serve says about its application."""

import pytest
from ray.serve import schema

from services.generation.conditions import (
    is_without_replicas,
    model_condition,
    one_line_reason,
)
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
    status: str, replicas: dict[str, int], message: str = "", trigger: str = "UNSPECIFIED"
) -> schema.ApplicationStatusOverview:
    deployment = schema.DeploymentStatusOverview(
        status="UPDATING",
        status_trigger=schema.DeploymentStatusTrigger(trigger),
        replica_states=replicas,
        message=message,
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


def test_a_replica_that_comes_up_from_zero_is_loading_and_calls_may_wait() -> None:
    coming = application("RUNNING", {"STARTING": 1})
    found = model_condition(coming, may_be_empty=True)
    assert found.state is ModelState.LOADING
    assert found.wakes


def test_calls_may_wait_for_a_model_that_sleeps_by_design_and_for_no_other() -> None:
    assert model_condition(application("RUNNING", {}), may_be_empty=True).wakes
    starting = application("DEPLOYING", {"STARTING": 1})
    assert not model_condition(starting, may_be_empty=False).wakes
    assert not model_condition(None, may_be_empty=True).wakes
    failed = application("DEPLOY_FAILED", {})
    assert not model_condition(failed, may_be_empty=True).wakes


@pytest.mark.parametrize("state", ["UPDATING", "PENDING_MIGRATION", "RECOVERING"])
def test_a_replica_that_serve_is_busy_with_still_answers(state: str) -> None:
    found = model_condition(application("DEPLOYING", {state: 1}), may_be_empty=False)
    assert found.state is ModelState.READY
    assert found.ready_replica_count == 1


def test_a_model_that_once_ran_and_cannot_start_any_more_has_failed() -> None:
    # Serve calls it unhealthy, and goes on trying.
    trying = application("UNHEALTHY", {"STARTING": 1}, TRACEBACK, trigger="REPLICA_STARTUP_FAILED")
    found = model_condition(trying, may_be_empty=True)
    assert found.state is ModelState.FAILED
    assert found.reason == "/models/x holds no model: config.json is missing"


def test_a_replica_that_replaces_a_lost_one_is_loading() -> None:
    replacing = application("UNHEALTHY", {"STARTING": 1}, trigger="HEALTH_CHECK_FAILED")
    assert model_condition(replacing, may_be_empty=False).state is ModelState.LOADING


def test_what_serve_says_of_a_replica_that_does_not_come_up_is_passed_on() -> None:
    said = "Deployment 'Model' has 1 replicas that wait. Resources required: {'GPU': 8}."
    found = model_condition(application("DEPLOYING", {"STARTING": 1}, said), may_be_empty=False)
    assert found.reason == said


@pytest.mark.parametrize(
    ("replicas", "is_without"),
    [({}, True), ({"STARTING": 1}, True), ({"STOPPING": 1}, False), ({"RUNNING": 1}, False)],
)
def test_a_replica_on_its_way_out_may_still_hold_calls(
    replicas: dict[str, int], is_without: bool
) -> None:
    assert is_without_replicas(application("UNHEALTHY", replicas)) is is_without


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
