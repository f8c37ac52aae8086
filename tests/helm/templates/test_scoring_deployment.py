"""The scoring service's pods."""

from pydantic import JsonValue

from tests.helm.chart import Manifest, at, list_at, mapping_at, render
from tests.helm.pods import environment_of

TEMPLATE = "scoring/deployment.yaml"
ALONE = "scoring-only-values.yaml"


def deployment(file: str = ALONE, **scoring: JsonValue) -> Manifest:
    (found,) = render(file, values={"scoring": scoring}).from_template(TEMPLATE)
    return found


def pod(item: Manifest) -> Manifest:
    return mapping_at(item, "spec", "template", "spec")


def container(item: Manifest) -> Manifest:
    (found,) = list_at(pod(item), "containers")
    return found


def test_it_is_not_there_where_scoring_is_disabled() -> None:
    values: Manifest = {
        "scoring": {"enabled": False},
        "sweep": {"scoringAddress": "scoring.example:50061"},
    }
    assert render("cpu-demo-values.yaml", values=values).from_template(TEMPLATE) == ()


def test_it_runs_the_service_on_the_agreed_ports() -> None:
    item = container(deployment())
    assert item["command"] == ["python", "-m", "services.scoring"]
    ports = {port["name"]: port["containerPort"] for port in list_at(item, "ports")}
    assert ports == {"grpc": 50061, "health": 50062, "metrics": 9465}
    variables = environment_of(item)
    assert variables["EXPART_SCORING_ADDRESS"] == "0.0.0.0:50061"
    assert variables["EXPART_SCORING_HEALTH_ADDRESS"] == "0.0.0.0:50062"
    assert variables["EXPART_SCORING_METRICS_PORT"] == "9465"


def test_it_is_ready_when_the_service_itself_says_so() -> None:
    item = container(deployment())
    service = "expart.scoring.v1.ScoringService"
    assert at(item, "readinessProbe", "grpc") == {"port": 50062, "service": service}
    # Whether the process lives is another question: one that drains is not to be killed.
    assert at(item, "livenessProbe", "grpc") == {"port": 50062}


def test_loading_an_encoder_may_take_as_long_as_the_values_say() -> None:
    item = container(deployment(encoder={"model": "roberta-large", "startTimeoutSeconds": 1200}))
    probe = mapping_at(item, "startupProbe")
    seconds = int(str(probe["failureThreshold"])) * int(str(probe["periodSeconds"]))
    assert seconds >= 1200


def test_settings_become_variables_with_their_numbers_written_out() -> None:
    variables = environment_of(
        container(deployment(settings={"max_pending_bytes": 268435456, "max_wait_s": 0.25}))
    )
    assert variables["EXPART_SCORING_MAX_PENDING_BYTES"] == "268435456"
    assert variables["EXPART_SCORING_MAX_WAIT_S"] == "0.25"


def test_an_encoder_is_named_only_where_there_is_one() -> None:
    without = environment_of(container(deployment(encoder={"model": ""})))
    assert not [name for name in without if "ENCODER" in name]
    item = deployment(encoder={"model": "roberta-large", "revision": "abc", "layer": 17})
    variables = environment_of(container(item))
    assert variables["EXPART_SCORING_ENCODER"] == "roberta-large"
    assert variables["EXPART_SCORING_ENCODER_REVISION"] == "abc"
    assert variables["EXPART_SCORING_ENCODER_LAYER"] == "17"
    # The root file system is read-only, so a download needs a place.
    places = [mount["mountPath"] for mount in list_at(container(item), "volumeMounts")]
    assert any(variables["HF_HOME"].startswith(f"{place}/") for place in places)


def test_the_number_of_pods_is_the_autoscaler_s_where_there_is_one() -> None:
    by_hand = deployment(autoscaling={"mode": "none"}, replicas=3)
    assert at(by_hand, "spec", "replicas") == 3
    for mode in ("hpa", "keda"):
        keda: Manifest = {"prometheusAddress": "http://prometheus:9090"}
        scaled = deployment(autoscaling={"mode": mode, "keda": keda})
        assert "replicas" not in mapping_at(scaled, "spec")


def test_calls_in_flight_may_end_before_the_pod_is_killed() -> None:
    # The pause before SIGTERM, and what the service itself takes at most.
    item = deployment(settings={"stop_grace_s": 30})
    pause = at(container(item), "lifecycle", "preStop", "exec", "command")
    assert isinstance(pause, list)
    assert pause[0] == "sleep"
    grace = int(str(pod(item)["terminationGracePeriodSeconds"]))
    assert grace > int(str(pause[1])) + 30


def test_pods_are_replaced_without_one_less() -> None:
    strategy = at(deployment(), "spec", "strategy", "rollingUpdate")
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}


def test_pods_spread_over_nodes_and_zones() -> None:
    rules = list_at(pod(deployment()), "topologySpreadConstraints")
    keys = [rule["topologyKey"] for rule in rules]
    assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    # Pods that are being replaced do not count: where they are, the next may be.
    assert all(rule["matchLabelKeys"] == ["pod-template-hash"] for rule in rules)


def test_a_secured_service_has_certificate_and_tokens() -> None:
    item = deployment("secured-values.yaml")
    variables = environment_of(container(item))
    assert variables["EXPART_SCORING_TLS_CERTIFICATE_FILE"] == "/etc/expart/tls/tls.crt"
    assert variables["EXPART_SCORING_TLS_KEY_FILE"] == "/etc/expart/tls/tls.key"
    assert variables["EXPART_SCORING_TOKEN_FILE"] == "/etc/expart/tokens/tokens"
    mounts = {
        str(mount["mountPath"]): mount.get("readOnly")
        for mount in list_at(container(item), "volumeMounts")
    }
    assert mounts["/etc/expart/tls"] is True
    assert mounts["/etc/expart/tokens"] is True


def test_where_pods_run_is_the_user_s() -> None:
    placed = pod(
        deployment(
            nodeSelector={"pool": "cpu"},
            tolerations=[{"key": "dedicated", "operator": "Exists"}],
            priorityClassName="high",
        )
    )
    assert placed["nodeSelector"] == {"pool": "cpu"}
    assert placed["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert placed["priorityClassName"] == "high"


def test_the_image_is_named_by_registry_repository_and_tag_or_digest() -> None:
    values: Manifest = {"image": {"registry": "registry.example/art", "tag": "1.2.3"}}
    (item,) = render(ALONE, values=values).from_template(TEMPLATE)
    assert container(item)["image"] == "registry.example/art/expart-scoring:1.2.3-encoder"
    digest = "sha256:" + "0" * 64
    values["scoring"] = {"image": {"digest": digest}}
    (item,) = render(ALONE, values=values).from_template(TEMPLATE)
    assert container(item)["image"] == f"registry.example/art/expart-scoring@{digest}"
