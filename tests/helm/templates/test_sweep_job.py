"""The drivers of a sweep: an Indexed Job, a pod a share of the artworks."""

import pytest
from pydantic import JsonValue

from services.cli.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_WRONG_INPUT
from services.cli.sweep_options import chosen_shard
from services.cli.sweep_run_command import EXIT_INCOMPLETE
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.sharding import Shard
from tests.helm.chart import Manifest, at, list_at, mapping_at, name_of, refusal, render
from tests.helm.pods import environment_of

TEMPLATE = "sweep/job.yaml"
DEMO = "cpu-demo-values.yaml"


def job(file: str = DEMO, **sweep: JsonValue) -> Manifest:
    (found,) = render(file, values={"sweep": sweep}).from_template(TEMPLATE)
    return found


def pod(item: Manifest) -> Manifest:
    return mapping_at(item, "spec", "template", "spec")


def driver(item: Manifest) -> Manifest:
    (found,) = list_at(pod(item), "containers")
    return found


def test_it_is_not_there_where_there_is_no_sweep() -> None:
    assert render(DEMO, values={"sweep": {"enabled": False}}).from_template(TEMPLATE) == ()
    assert render("scoring-only-values.yaml").from_template(TEMPLATE) == ()


def test_each_index_is_a_shard_and_every_driver_knows_how_many_there_are() -> None:
    item = job(drivers=6)
    spec = mapping_at(item, "spec")
    assert (spec["completionMode"], spec["completions"]) == ("Indexed", 6)
    # All at once, unless told otherwise. Kubernetes gives each pod JOB_COMPLETION_INDEX.
    assert spec["parallelism"] == 6
    assert environment_of(driver(item))["EXPART_SWEEP_SHARD_COUNT"] == "6"
    assert at(job(drivers=6, parallelism=2), "spec", "parallelism") == 2
    # Kubernetes' own way to have nobody at work.
    assert at(job(drivers=6, parallelism=0), "spec", "parallelism") == 0


def test_a_driver_runs_the_sweep_against_the_release_s_own_services() -> None:
    item = driver(job())
    assert item["command"] == ["expart", "sweep", "run", "/etc/expart/sweep/sweep.yaml"]
    arguments = at(item, "args")
    assert isinstance(arguments, list)
    assert "--generation=demo-expart-serving-generation.expart.svc:50051" in arguments
    assert "--scoring=demo-expart-serving-scoring.expart.svc:50061" in arguments
    assert "--metrics-port=9466" in arguments
    assert "--log-format=json" in arguments


def test_services_of_others_are_asked_where_the_values_name_them() -> None:
    item = driver(job(generationAddress="a.example:1", scoringAddress="b.example:2"))
    arguments = at(item, "args")
    assert isinstance(arguments, list)
    assert {"--generation=a.example:1", "--scoring=b.example:2"} <= set(map(str, arguments))


@pytest.mark.parametrize("service", ["generation", "scoring"])
def test_a_service_that_is_nowhere_is_missed(service: str) -> None:
    said = refusal(DEMO, values={service: {"enabled": False}})
    assert f"sweep.{service}Address" in said


def test_the_loss_of_a_node_and_a_stop_count_as_nobody_s_fault() -> None:
    rules = list_at(job(), "spec", "podFailurePolicy", "rules")
    ignored = [rule for rule in rules if rule["action"] == "Ignore"]
    assert [at(rule, "onPodConditions", 0, "type") for rule in ignored[:1]] == ["DisruptionTarget"]
    # 130: it was told to stop, and has stored what had arrived.
    assert at(ignored[1], "onExitCodes", "values") == [130]
    assert at(ignored[1], "onExitCodes", "containerName") == driver(job())["name"]
    assert pod(job())["restartPolicy"] == "Never"


def test_a_share_is_tried_so_often_before_it_is_given_up() -> None:
    item = job(backoffLimitPerIndex=0, maxFailedIndexes=0)
    assert at(item, "spec", "backoffLimitPerIndex") == 0
    assert at(item, "spec", "maxFailedIndexes") == 0
    assert "maxFailedIndexes" not in mapping_at(job(), "spec")


def test_wrong_input_may_end_the_whole_job() -> None:
    rules = list_at(job(failOnExitCodes=[2]), "spec", "podFailurePolicy", "rules")
    (failing,) = [rule for rule in rules if rule["action"] == "FailJob"]
    assert at(failing, "onExitCodes", "values") == [2]
    # Kubernetes takes them in order only.
    rules = list_at(job(failOnExitCodes=[137, 2, 3]), "spec", "podFailurePolicy", "rules")
    (failing,) = [rule for rule in rules if rule["action"] == "FailJob"]
    assert at(failing, "onExitCodes", "values") == [2, 3, 137]
    assert "failOnExitCodes" in refusal(DEMO, values={"sweep": {"failOnExitCodes": [2, 2]}})


def test_limits_of_time_are_written_out_and_left_out_where_there_are_none() -> None:
    spec = mapping_at(job(activeDeadlineSeconds=1000000, ttlSecondsAfterFinished=0), "spec")
    assert spec["activeDeadlineSeconds"] == 1000000
    assert spec["ttlSecondsAfterFinished"] == 0
    spec = mapping_at(job(), "spec")
    assert "activeDeadlineSeconds" not in spec
    assert "ttlSecondsAfterFinished" not in spec


def test_a_sweep_is_held_without_another_job() -> None:
    held, going = job(suspend=True), job()
    assert at(held, "spec", "suspend") is True
    assert name_of(held) == name_of(going)


def test_results_and_dataset_lie_on_volumes() -> None:
    item = job(
        results={"url": "", "existingClaim": "results"},
        dataset={"existingClaim": "dataset", "subPath": "expart"},
    )
    volumes = {volume["name"]: volume for volume in list_at(pod(item), "volumes")}
    assert at(volumes["results"], "persistentVolumeClaim", "claimName") == "results"
    assert at(volumes["dataset"], "persistentVolumeClaim") == {
        "claimName": "dataset",
        "readOnly": True,
    }
    mounts = {mount["name"]: mount for mount in list_at(driver(item), "volumeMounts")}
    assert mounts["results"]["mountPath"] == "/results"
    assert (mounts["dataset"]["mountPath"], mounts["dataset"]["subPath"]) == ("/dataset", "expart")
    assert mounts["dataset"]["readOnly"] is True


def test_results_in_an_object_store_need_no_volume_but_its_keys() -> None:
    item = job(results={"url": "s3://bucket/prefix"}, secretEnv=["store-keys"])
    assert "results" not in [volume["name"] for volume in list_at(pod(item), "volumes")]
    (source,) = list_at(driver(item), "envFrom")
    assert at(source, "secretRef", "name") == "store-keys"


def test_settings_become_variables_with_their_numbers_written_out() -> None:
    variables = environment_of(driver(job(settings={"max_wait_s": 3600000, "commit_rows": 2048})))
    assert variables["EXPART_SWEEP_MAX_WAIT_S"] == "3600000"
    assert variables["EXPART_SWEEP_COMMIT_ROWS"] == "2048"


def test_what_is_in_flight_may_end_before_the_pod_is_killed() -> None:
    for settings in ({}, {"drain_s": 90}):
        grace = pod(job(settings=settings))["terminationGracePeriodSeconds"]
        # Then the last results are made durable, by an object store perhaps.
        assert int(str(grace)) >= SweepSettings(**settings).drain_s + 30


def test_pods_of_a_lost_node_are_given_up_soon() -> None:
    found = {
        str(one["key"]): one["tolerationSeconds"]
        for one in list_at(pod(job(nodeLossTolerationSeconds=30)), "tolerations")
    }
    assert found == {"node.kubernetes.io/unreachable": 30, "node.kubernetes.io/not-ready": 30}


def test_a_secured_release_s_drivers_show_who_they_are() -> None:
    variables = environment_of(driver(job("secured-values.yaml", enabled=True)))
    assert variables["EXPART_CLI_TLS"] == "true"
    assert variables["EXPART_CLI_TLS_CA_FILE"] == "/etc/expart/authority/ca.crt"
    assert variables["EXPART_CLI_TOKEN_FILE"] == "/etc/expart/token/token"


def test_what_failed_for_good_is_asked_again_where_the_values_say_so() -> None:
    def arguments(item: Manifest) -> JsonValue:
        return at(driver(item), "args")

    assert "--retry-failed" in str(arguments(job(retryFailed=True)))
    assert "--retry-failed" not in str(arguments(job()))


def test_a_token_that_the_services_ask_for_is_not_forgotten() -> None:
    asked: Manifest = {"tokens": {"existingSecret": "callers"}}
    assert "tokens.client.existingSecret" in refusal(DEMO, values=asked)
    elsewhere: Manifest = {
        "sweep": {"generationAddress": "a.example:1", "scoringAddress": "b.example:2"}
    }
    assert render(DEMO, values={**asked, **elsewhere}).from_template(TEMPLATE)


def test_the_program_ends_with_the_codes_that_the_policy_is_about() -> None:
    rules = list_at(job(), "spec", "podFailurePolicy", "rules")
    assert [at(rule, "onExitCodes", "values") for rule in rules if "onExitCodes" in rule] == [
        [EXIT_INTERRUPTED]
    ]
    # What counts as a fault must be none of those that do not.
    assert EXIT_INTERRUPTED not in {EXIT_INCOMPLETE, EXIT_FAILED, EXIT_WRONG_INPUT}


def test_the_index_that_the_job_gives_is_the_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    # As the Job's controller sets it, beside what the chart sets.
    for name, value in environment_of(driver(job(drivers=6))).items():
        monkeypatch.setenv(name, value)
    for index in range(6):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        assert chosen_shard(None, None) == Shard(index, 6)
