"""The Ray cluster that runs the fronts and the models."""

import json
import shlex

import pytest
import yaml
from pydantic import JsonValue
from ray.autoscaler._private.kuberay import autoscaling_config

from tests.helm.chart import Manifest, at, list_at, mapping_at, name_of, refusal, render
from tests.helm.pods import PodTemplate, environment_of, ray_pods

TEMPLATE = "generation/rayservice.yaml"
DEMO = "cpu-demo-values.yaml"
MANY = "many-models-values.yaml"
SECURED = "secured-values.yaml"


def service(file: str = DEMO, **generation: JsonValue) -> Manifest:
    (found,) = render(file, values={"generation": generation}).from_template(TEMPLATE)
    return found


def cluster(file: str = DEMO, **generation: JsonValue) -> Manifest:
    return mapping_at(service(file, **generation), "spec", "rayClusterConfig")


def groups(item: Manifest) -> dict[str, Manifest]:
    return {str(group["groupName"]): group for group in list_at(item, "workerGroupSpecs")}


def pod(file: str, name: str, **generation: JsonValue) -> PodTemplate:
    found = ray_pods(service(file, **generation))
    (one,) = [item for item in found if item.owner.endswith(f" {name}")]
    return one


def ray(item: PodTemplate) -> Manifest:
    return list_at(item.spec, "containers")[0]


def named_resources(group: Manifest) -> object:
    """What ``ray start`` is given; it stands in quotation marks for KubeRay's shell."""
    (text,) = shlex.split(str(at(group, "rayStartParams", "resources")))
    return json.loads(text)


def test_it_is_not_there_where_generation_is_disabled() -> None:
    values: Manifest = {"generation": {"enabled": False}, "sweep": {"enabled": False}}
    assert render(DEMO, values=values).from_template(TEMPLATE) == ()
    assert render("scoring-only-values.yaml").from_template(TEMPLATE) == ()


def test_it_holds_the_serve_config_as_text() -> None:
    config = yaml.safe_load(str(at(service(), "spec", "serveConfigV2")))
    assert config["applications"][0]["name"] == "front"


def test_nothing_of_ours_runs_on_the_head() -> None:
    assert at(cluster(), "headGroupSpec", "rayStartParams", "num-cpus") == "0"


def test_fronts_run_in_a_group_of_their_own_one_a_pod() -> None:
    group = groups(cluster(front={"replicas": 3}))["front"]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (3, 3, 3)
    # No model runs there, and only fronts ask for this.
    assert at(group, "rayStartParams", "num-cpus") == "0"
    assert named_resources(group) == {"expart_front": 1}


def test_a_front_s_pod_is_ready_when_grpc_s_health_check_says_so() -> None:
    item = ray(pod(DEMO, "front"))
    assert at(item, "readinessProbe", "grpc", "port") == 50052
    ports = {port["name"]: port["containerPort"] for port in list_at(item, "ports")}
    assert ports["grpc"] == 50051
    assert ports["front-metrics"] == 9464
    assert ports["metrics"] == 8080


def test_a_group_has_what_it_says_and_the_rest_from_the_defaults() -> None:
    group: Manifest = {
        "name": "l4",
        "gpus": 2,
        "acceleratorType": "L4",
        "minReplicas": 1,
        "maxReplicas": 5,
        "nodeSelector": {"gpu": "l4"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
    }
    models: list[JsonValue] = [
        {
            "name": "m",
            "source": {"hub": "a/b"},
            "max_model_len": 9,
            "num_gpus": 2,
            "tensor_parallel_size": 2,
        }
    ]
    values: Manifest = {
        "models": models,
        "generation": {"workerGroups": [group]},
        "sweep": {"enabled": False},
    }
    (item,) = render(DEMO, values=values).from_template(TEMPLATE)
    made = groups(mapping_at(item, "spec", "rayClusterConfig"))["l4"]
    assert (made["replicas"], made["minReplicas"], made["maxReplicas"]) == (1, 1, 5)
    assert at(made, "rayStartParams", "num-gpus") == "2"
    # Models choose the type of GPU by this name.
    assert named_resources(made) == {"accelerator_type:L4": 1}
    spec = mapping_at(made, "template", "spec")
    assert spec["nodeSelector"] == {"gpu": "l4"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    resources = mapping_at(list_at(spec, "containers")[0], "resources")
    assert at(resources, "limits", "nvidia.com/gpu") == 2
    assert at(resources, "requests", "nvidia.com/gpu") == 2
    assert at(resources, "requests", "memory") == "32Gi"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"num_gpus": 4, "tensor_parallel_size": 4}, "m: no worker group has pods with 4 GPUs"),
        ({"node_resource": "accelerator_type:H100"}, "accelerator_type:H100"),
        # A pod with a limit of 8 processors is a node with 8.
        ({"num_cpus": 9}, "m: no worker group has pods with 0 GPUs, 9 processors"),
    ],
    ids=str,
)
def test_a_model_that_no_group_can_run_is_refused(model: Manifest, said: str) -> None:
    entry: Manifest = {"name": "m", "source": {"hub": "a/b"}, "max_model_len": 9, **model}
    values: Manifest = {
        "models": [entry],
        "generation": {"workerGroups": [{"name": "small", "gpus": 1, "maxReplicas": 1}]},
    }
    assert said in refusal(DEMO, values=values)


@pytest.mark.parametrize(
    ("limit", "taken"), [("1500m", True), ("500m", False), (2, True), ("1", False)], ids=str
)
def test_processors_of_a_pod_are_rounded_up_as_kuberay_does(
    limit: str | int, *, taken: bool
) -> None:
    entry: Manifest = {"name": "m", "source": {"hub": "a/b"}, "max_model_len": 9, "num_cpus": 2}
    group: Manifest = {"name": "g", "replicas": 1, "resources": {"limits": {"cpu": limit}}}
    values: Manifest = {
        "models": [entry],
        "generation": {"workerGroups": [group]},
        "sweep": {"enabled": False},
    }
    if taken:
        render(DEMO, values=values)
    else:
        assert "no worker group has pods with 0 GPUs, 2 processors" in refusal(DEMO, values=values)


def test_models_that_do_not_fit_all_at_once_are_refused() -> None:
    one: Manifest = {
        "source": {"hub": "a/b"},
        "max_model_len": 9,
        "num_gpus": 1,
        "scaling": {"min_replicas": 1, "max_replicas": 2},
    }
    two: list[JsonValue] = [{"name": name, **one} for name in ("a", "b")]
    values: Manifest = {
        "models": two,
        "generation": {"workerGroups": [{"name": "g", "gpus": 1, "replicas": 1}]},
        "sweep": {"enabled": False},
    }
    said = refusal(DEMO, values=values)
    assert "their min_replicas take 2 GPUs" in said
    assert "together have 1" in said
    # One of them may sleep until it is asked for.
    asleep: Manifest = {"name": "b", **one, "scaling": {"min_replicas": 0, "max_replicas": 1}}
    render(DEMO, values={**values, "models": [two[0], asleep]})


def test_a_group_without_pods_runs_no_model_where_nothing_adds_any() -> None:
    entry: Manifest = {"name": "m", "source": {"hub": "a/b"}, "max_model_len": 9}
    values: Manifest = {
        "models": [entry],
        "generation": {"workerGroups": [{"name": "g", "maxReplicas": 3}]},
        "sweep": {"enabled": False},
    }
    assert "m: no worker group has pods" in refusal(DEMO, values=values)
    autoscaled: Manifest = {**values, "generation": {"autoscaling": {"enabled": True}}}
    autoscaled["generation"] |= mapping_at(values, "generation")  # type: ignore[operator]
    render(DEMO, values=autoscaled)


def test_two_models_of_one_name_are_refused() -> None:
    entry: Manifest = {"name": "m", "source": {"hub": "a/b"}, "max_model_len": 9}
    assert "two entries have the name m" in refusal(DEMO, values={"models": [entry, entry]})


def test_more_pods_at_least_than_at_most_are_refused() -> None:
    group: Manifest = {"name": "g", "minReplicas": 3, "maxReplicas": 2}
    values: Manifest = {"generation": {"workerGroups": [group]}}
    assert "g: minReplicas exceeds maxReplicas" in refusal(DEMO, values=values)


def test_groups_of_many_models_differ_in_gpus_and_nodes() -> None:
    made = [group for name, group in groups(cluster(MANY)).items() if name != "front"]
    assert len(made) >= 2
    assert len({json.dumps(named_resources(group)) for group in made}) == len(made)


def test_ray_s_ports_ask_for_a_token() -> None:
    assert at(cluster(), "authOptions", "mode") == "token"
    own = cluster(auth={"existingSecret": "ray-token"})
    assert at(own, "authOptions", "secretName") == "ray-token"


def test_ray_adds_and_removes_pods_unless_told_otherwise() -> None:
    assert cluster(MANY)["enableInTreeAutoscaling"] is True
    fixed = cluster(autoscaling={"enabled": False})
    assert fixed["enableInTreeAutoscaling"] is False
    assert "autoscalerOptions" not in fixed


def test_only_an_autoscaler_is_told_how_long_a_group_may_idle() -> None:
    # KubeRay refuses a cluster whose groups say it without one.
    group: Manifest = {"name": "g", "replicas": 1, "idleTimeoutSeconds": 7}
    fixed = cluster(workerGroups=[group], autoscaling={"enabled": False})
    assert "idleTimeoutSeconds" not in groups(fixed)["g"]
    scaled = cluster(workerGroups=[group], autoscaling={"enabled": True})
    assert groups(scaled)["g"]["idleTimeoutSeconds"] == 7


def test_ray_s_autoscaler_reads_of_the_groups_what_models_ask_for() -> None:
    found = autoscaling_config._generate_available_node_types_from_ray_cr_spec(cluster(MANY))
    types = {name: (of["min_workers"], of["max_workers"]) for name, of in found.items()}
    assert types == {
        "headgroup": (0, 0),
        "front": (3, 3),
        "cpu": (1, 2),
        "l4": (0, 4),
        "l40s": (1, 2),
        "h100": (0, 2),
    }
    gib = 2**30
    # Of the values: 48 processors, 256 GiB and 4 GPUs; the name that models ask for.
    h100 = {"CPU": 48, "GPU": 4, "memory": 256 * gib, "accelerator_type:H100": 1}
    assert found["h100"]["resources"] == h100
    assert found["h100"]["idle_timeout_s"] == 900
    assert found["cpu"]["resources"] == {"CPU": 2, "memory": 4 * gib, "cpu-nodes": 1}
    # Nothing but fronts goes to the pods of fronts, and nothing to the head.
    assert found["front"]["resources"] == {"CPU": 0, "memory": 3 * gib, "expart_front": 1}
    assert found["headgroup"]["resources"]["CPU"] == 0


def test_only_the_autoscaler_gets_a_token_for_kubernetes() -> None:
    item = service(MANY)
    mounts = list_at(item, "spec", "rayClusterConfig", "autoscalerOptions", "volumeMounts")
    assert "/var/run/secrets/kubernetes.io/serviceaccount" in [one["mountPath"] for one in mounts]
    for one in ray_pods(item):
        assert one.spec["automountServiceAccountToken"] is False
        own = [mount["name"] for mount in list_at(ray(one), "volumeMounts")]
        assert "autoscaler-token" not in own, one.owner


def test_the_hub_s_token_comes_from_a_secret_as_a_file_or_as_a_variable() -> None:
    token: Manifest = {"existingSecret": "hub", "key": "t"}
    as_file = ray(pod(DEMO, "front", hubToken={**token, "as": "file"}))
    assert environment_of(as_file)["HF_TOKEN_PATH"].startswith("/run/secrets/")
    as_variable = ray(pod(DEMO, "front", hubToken={**token, "as": "env"}))
    (variable,) = [item for item in list_at(as_variable, "env") if item["name"] == "HF_TOKEN"]
    assert at(variable, "valueFrom", "secretKeyRef") == {"name": "hub", "key": "t"}


@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        (
            {"type": "emptyDir", "sizeLimit": "9Gi"},
            {"name": "models", "emptyDir": {"sizeLimit": "9Gi"}},
        ),
        (
            {"type": "persistentVolumeClaim", "existingClaim": "weights"},
            {"name": "models", "persistentVolumeClaim": {"claimName": "weights"}},
        ),
        (
            {"type": "persistentVolumeClaim"},
            {
                "name": "models",
                "persistentVolumeClaim": {"claimName": "demo-expart-serving-models"},
            },
        ),
        (
            {"type": "hostPath", "hostPath": "/data/models"},
            {"name": "models", "hostPath": {"path": "/data/models", "type": "Directory"}},
        ),
    ],
    ids=str,
)
def test_weights_lie_where_the_values_say(cache: Manifest, volume: Manifest) -> None:
    item = pod(DEMO, "front", modelCache=cache)
    assert volume in list_at(item.spec, "volumes")
    places = {mount["name"]: mount["mountPath"] for mount in list_at(ray(item), "volumeMounts")}
    assert places["models"] == environment_of(ray(item))["EXPART_GENERATION_MODELS_FOLDER"]


def test_weights_of_the_image_are_not_covered_by_a_volume() -> None:
    item = pod(DEMO, "front", modelCache={"type": "image"})
    assert "models" not in [volume["name"] for volume in list_at(item.spec, "volumes")]
    # What is downloaded, as a processor's files, needs a place that can be written.
    assert environment_of(ray(item))["HF_HOME"].startswith("/tmp/")


def test_logs_are_the_pods_own_unless_they_are_to_be_ray_s() -> None:
    for one in ray_pods(service(MANY)):
        assert environment_of(ray(one))["RAY_LOG_TO_STDERR"] == "1", one.owner
    files = pod(DEMO, "front", logToStandardError=False)
    assert environment_of(ray(files))["RAY_LOG_TO_STDERR"] == "0"


@pytest.mark.parametrize("form", ["file", "env"])
def test_secrets_are_in_the_pods_that_use_them_alone(form: str) -> None:
    item = service(MANY, hubToken={"existingSecret": "hub", "as": form})
    for one in ray_pods(item):
        node = one.labels["expart-serving/node"]
        volumes = {str(volume["name"]) for volume in list_at(one.spec, "volumes")}
        mounts = {str(mount["name"]) for mount in list_at(ray(one), "volumeMounts")}
        variables = {str(variable["name"]) for variable in list_at(ray(one), "env")}
        # Replicas ask closed models; fronts read tokenizers of the hub, too; the head does neither.
        assert ("api-keys" in volumes) == ("api-keys" in mounts) == (node == "model"), one.owner
        has_token = bool({"HF_TOKEN", "HF_TOKEN_PATH"} & variables)
        assert has_token == (node != "head"), one.owner
        assert ("hub-token" in volumes) == ("hub-token" in mounts), one.owner
        assert ("hub-token" in volumes) == ("HF_TOKEN_PATH" in variables), one.owner


def test_only_fronts_have_certificate_and_tokens() -> None:
    for one in ray_pods(service(SECURED)):
        names = {str(volume["name"]) for volume in list_at(one.spec, "volumes")}
        assert ({"tls", "tokens"} <= names) == one.owner.endswith(" front"), one.owner
        assert one.owner.endswith(" front") or not {"tls", "tokens"} & names, one.owner


def test_a_redis_keeps_ray_s_state_where_there_is_one() -> None:
    assert "gcsFaultToleranceOptions" not in cluster()
    redis: Manifest = {"redisAddress": "redis:6379", "passwordSecret": "redis", "passwordKey": "p"}
    values: Manifest = {
        "generation": {"faultTolerance": redis},
        "networkPolicy": {"enabled": False},
    }
    (item,) = render(DEMO, values=values).from_template(TEMPLATE)
    made = mapping_at(item, "spec", "rayClusterConfig", "gcsFaultToleranceOptions")
    assert made["redisAddress"] == "redis:6379"
    assert at(made, "redisPassword", "valueFrom", "secretKeyRef") == {"name": "redis", "key": "p"}


def test_a_redis_that_no_policy_lets_ray_reach_is_refused() -> None:
    values: Manifest = {"generation": {"faultTolerance": {"redisAddress": "redis:6379"}}}
    assert "networkPolicy.extraEgress.generation" in refusal(DEMO, values=values)
    rule: Manifest = {"to": [{"podSelector": {"matchLabels": {"app": "redis"}}}]}
    render(DEMO, values={**values, "networkPolicy": {"extraEgress": {"generation": [rule]}}})


@pytest.mark.parametrize("kind", ["NewCluster", "None"])
def test_what_a_change_of_the_pods_does_is_the_user_s_choice(kind: str) -> None:
    assert at(service(upgradeStrategy=kind), "spec", "upgradeStrategy", "type") == kind


@pytest.mark.parametrize(
    ("own", "image"),
    [
        ({}, "r/expart-generation@sha256:" + 64 * "1"),
        # What is said otherwise is not what the digest was written beside.
        ({"variant": "cpu"}, "r/expart-generation:2-cpu"),
        ({"tag": "3"}, "r/expart-generation:3"),
        ({"digest": "sha256:" + 64 * "2"}, "r/expart-generation@sha256:" + 64 * "2"),
        ({"repository": "ray-head"}, "r/ray-head:1"),
        ({"repository": "ray-head", "tag": "3", "variant": "x"}, "r/ray-head:3-x"),
    ],
    ids=str,
)
@pytest.mark.parametrize("part", ["head", "front"])
def test_head_and_fronts_may_have_an_image_of_their_own(
    part: str, own: Manifest, image: str
) -> None:
    base: Manifest = {
        "repository": "expart-generation",
        "tag": "2",
        "variant": "",
        "digest": "sha256:" + 64 * "1",
    }
    values: Manifest = {
        "image": {"registry": "r", "tag": "1"},
        "generation": {"image": base, part: {"image": own}},
    }
    (item,) = render(DEMO, values=values).from_template(TEMPLATE)
    images = {one.owner.rpartition(" ")[2]: ray(one)["image"] for one in ray_pods(item)}
    assert images[part] == image
    assert images["cpu"] == "r/expart-generation@sha256:" + 64 * "1"


def test_a_group_may_have_an_image_of_its_own() -> None:
    group: Manifest = {"name": "g", "replicas": 1, "image": {"tag": "rocm"}}
    (made,) = [one for one in ray_pods(service(workerGroups=[group])) if one.owner.endswith(" g")]
    assert str(ray(made)["image"]) == "expart-generation:rocm-cpu"


def test_its_name_leaves_room_for_what_kuberay_adds() -> None:
    # KubeRay refuses a RayService whose name has more than 47 characters.
    (item,) = render(DEMO, release="r" * 53).from_template(TEMPLATE)
    assert len(name_of(item)) <= 47
