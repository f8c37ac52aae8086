"""What we ask of Ray Serve for a model and for the front, without a cluster."""

from pathlib import Path

import pytest
from ray.serve import Application
from ray.serve._private.config import DeploymentConfig, ReplicaConfig

from services.core.errors import UserInputError
from services.generation.app import build_front_app, build_model_app, scaling_options
from services.generation.catalog import Catalog, ModelSpec, ScalingSpec, SourceSpec
from services.generation.serve_app import FrontArguments, ModelArguments, front, model
from services.generation.settings import SERVE_ENVIRONMENT, GenerationSettings
from tests.unit.generation.builders import scripted_spec

SETTINGS = GenerationSettings()


def gpu_spec(num_gpus: float, size: int = 1) -> ModelSpec:
    return ModelSpec(
        name="large",
        source=SourceSpec(folder="/models/large"),
        max_model_len=4096,
        num_gpus=num_gpus,
        tensor_parallel_size=size,
        num_cpus=6,
    )


def replica_config(app: Application) -> ReplicaConfig:
    return app._bound_deployment._replica_config


def deployment_config(app: Application) -> DeploymentConfig:
    return app._bound_deployment._deployment_config


def test_a_replica_on_one_gpu_takes_it_itself() -> None:
    config = replica_config(build_model_app(gpu_spec(0.5), SETTINGS))
    assert config.ray_actor_options["num_gpus"] == 0.5
    assert config.ray_actor_options["num_cpus"] == 6
    assert config.placement_group_bundles is None


def test_a_replica_that_is_split_gets_one_gpu_a_worker_all_on_one_node() -> None:
    config = replica_config(build_model_app(gpu_spec(4, size=4), SETTINGS))
    # The replica's own process sits in the first bundle, so its cores are there; the GPUs are
    # taken by the engine's workers, one a bundle.
    assert config.placement_group_bundles == [{"CPU": 6, "GPU": 1}, *[{"GPU": 1}] * 3]
    assert config.placement_group_strategy == "STRICT_PACK"
    assert not config.ray_actor_options.get("num_gpus")


@pytest.mark.parametrize("size", [1, 2])
def test_a_replica_asks_for_its_kind_of_node_with_its_first_gpu(size: int) -> None:
    spec = gpu_spec(size, size).model_copy(update={"node_resource": "accelerator_type:H100"})
    config = replica_config(build_model_app(spec, SETTINGS))
    asked = (config.placement_group_bundles or [config.ray_actor_options["resources"]])[0]
    # So little of it that as many replicas as a node has GPUs find room: a node has one whole.
    assert 0 < asked["accelerator_type:H100"] <= 0.01


def test_fronts_run_on_the_nodes_that_are_named_for_them() -> None:
    settings = GenerationSettings(front_node_resource="expart_front")
    named = replica_config(build_front_app(Catalog({}), settings)).ray_actor_options
    # Beside its successor, and beside other fronts of the node.
    assert 0 < named["resources"]["expart_front"] <= 0.01
    assert not replica_config(build_front_app(Catalog({}), SETTINGS)).ray_actor_options["resources"]


def test_an_amount_is_no_kind_of_node() -> None:
    with pytest.raises(ValueError, match="GPU is an amount"):
        GenerationSettings(front_node_resource="GPU")


def test_replicas_bring_what_serve_reads_from_the_environment_and_the_catalog_wins() -> None:
    spec = scripted_spec().model_copy(update={"environment": {"TOKENIZERS_PARALLELISM": "true"}})
    config = replica_config(build_model_app(spec, SETTINGS))
    environment = config.ray_actor_options["runtime_env"]["env_vars"]
    assert environment.items() >= SERVE_ENVIRONMENT.items()
    assert environment["TOKENIZERS_PARALLELISM"] == "true"
    front_environment = replica_config(build_front_app(Catalog({}), SETTINGS)).ray_actor_options[
        "runtime_env"
    ]["env_vars"]
    assert front_environment.items() >= SERVE_ENVIRONMENT.items()


def test_as_many_replicas_at_least_as_at_most_are_no_matter_of_autoscaling() -> None:
    config = deployment_config(build_model_app(scripted_spec(), SETTINGS))
    assert config.num_replicas == 1
    assert config.autoscaling_config is None


def test_a_model_that_may_sleep_starts_asleep_and_scales_within_seconds() -> None:
    scaling = ScalingSpec(min_replicas=0, max_replicas=3, target_ongoing_requests=4)
    spec = scripted_spec().model_copy(update={"scaling": scaling})
    found = deployment_config(build_model_app(spec, SETTINGS)).autoscaling_config
    assert (found.min_replicas, found.initial_replicas, found.max_replicas) == (0, 0, 3)
    assert found.target_ongoing_requests == 4
    # From the load's first second to the decision: what is reported late, what is averaged over,
    # and how long it must last. Serve's defaults add up to 70 s.
    assert found.metrics_interval_s + found.look_back_period_s + found.upscale_delay_s <= 15
    assert found.downscale_delay_s == 600


def test_scaling_says_in_a_config_what_it_says_in_code() -> None:
    for scaling in (ScalingSpec(), ScalingSpec(min_replicas=0, max_replicas=2)):
        spec = scripted_spec().model_copy(update={"scaling": scaling})
        config = deployment_config(build_model_app(spec, SETTINGS))
        options = scaling_options(scaling)
        assert config.max_ongoing_requests == options["max_ongoing_requests"]
        autoscaling = options.get("autoscaling_config")
        assert (autoscaling is None) == (config.autoscaling_config is None)
        if isinstance(autoscaling, dict):
            assert config.autoscaling_config.model_dump().items() >= autoscaling.items()


def test_fronts_are_as_many_as_the_settings_say_and_the_new_one_comes_first() -> None:
    settings = GenerationSettings(front_replicas=3, front_replicas_per_node=1, drain_s=7)
    built = build_front_app(Catalog({"x": scripted_spec("x")}), settings)
    config = deployment_config(built)
    assert config.num_replicas == 3
    assert replica_config(built).max_replicas_per_node == 1
    assert config.max_surge_percent == 100
    assert config.graceful_shutdown_timeout_s > 7
    assert [entry["name"] for entry in config.user_config["models"]] == ["x"]


def test_relative_folders_start_at_the_models_folder_of_the_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXPART_GENERATION_MODELS_FOLDER", "/data/models")
    entry = ModelSpec(
        name="x",
        source=SourceSpec(folder="x"),
        adapters={"near": SourceSpec(folder="x-lora"), "far": SourceSpec(folder="/elsewhere")},
        max_model_len=128,
    )
    spec = model(ModelArguments(entry=entry))._bound_deployment.init_args[0]
    assert spec.source.folder == str(Path("/data/models/x"))
    assert spec.adapters["near"].folder == str(Path("/data/models/x-lora"))
    assert spec.adapters["far"].folder == "/elsewhere"


def test_a_front_without_a_port_is_refused() -> None:
    with pytest.raises(UserInputError, match="the front needs a port"):
        front(FrontArguments())
    built = front(FrontArguments(settings={"port": 50051, "host": "0.0.0.0"}))
    assert built._bound_deployment.init_args[0].address == "0.0.0.0:50051"
