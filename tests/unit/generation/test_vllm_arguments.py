"""What a catalog entry becomes in vLLM's own terms."""

import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from services.core.errors import ModelFailedError
from services.generation.adapters import AdapterFiles
from services.generation.catalog import ModelSpec, SourceSpec
from services.generation.domain import Lane
from tests.unit.generation.builders import sampling

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arguments() -> ModuleType:
    # Imported here and not above: collecting tests must not wait for vLLM.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("services.generation.engines.vllm_arguments")


def spec(**keys: object) -> ModelSpec:
    given = {"source": SourceSpec(hub="a/b", revision="v1"), "max_model_len": 128, **keys}
    return ModelSpec.model_validate({"name": "model", "engine": "vllm", **given})


def adapters(*ranks: int) -> tuple[AdapterFiles, ...]:
    return tuple(
        AdapterFiles(f"adapter-{index}", Path(f"/adapters/{index}"), rank)
        for index, rank in enumerate(ranks)
    )


def test_an_entry_for_one_gpu_becomes_engine_arguments(arguments: ModuleType) -> None:
    entry = spec(
        num_gpus=1,
        dtype="bfloat16",
        quantization="awq",
        engine_arguments={"max_num_seqs": 64, "mm_processor_kwargs": {"max_pixels": 1000}},
    )
    assert arguments.engine_arguments(entry) == {
        "model": "a/b",
        "served_model_name": "model",
        "revision": "v1",
        "dtype": "bfloat16",
        "quantization": "awq",
        "max_model_len": 128,
        "tensor_parallel_size": 1,
        "trust_remote_code": False,
        "limit_mm_per_prompt": {"image": 1, "video": 0, "audio": 0},
        "scheduling_policy": "priority",
        "disable_log_stats": False,
        "max_num_seqs": 64,
        "mm_processor_kwargs": {"max_pixels": 1000},
    }


def test_a_folder_has_no_revision_for_vllm_to_look_up(arguments: ModuleType) -> None:
    made = arguments.engine_arguments(spec(source=SourceSpec(folder="/m")))
    assert (made["model"], made["revision"]) == ("/m", None)


def test_on_a_cpu_vllm_neither_compiles_nor_starts_a_worker(arguments: ModuleType) -> None:
    made = arguments.engine_arguments(spec(num_gpus=0))
    assert made["enforce_eager"] is True
    assert made["distributed_executor_backend"] == "uni"


@pytest.mark.parametrize("gpus", [2, 4])
def test_several_gpus_are_reached_through_ray_as_serve_made_a_bundle_of_each(
    gpus: int, arguments: ModuleType
) -> None:
    made = arguments.engine_arguments(spec(num_gpus=gpus, tensor_parallel_size=gpus))
    assert made["tensor_parallel_size"] == gpus
    assert made["distributed_executor_backend"] == "ray"
    assert "enforce_eager" not in made


def test_outside_of_ray_an_entry_may_ask_for_processes(arguments: ModuleType) -> None:
    entry = spec(
        num_gpus=2,
        tensor_parallel_size=2,
        engine_arguments={"distributed_executor_backend": "mp"},
    )
    assert arguments.engine_arguments(entry)["distributed_executor_backend"] == "mp"


@pytest.mark.parametrize(("rank", "taken"), [(1, 1), (2, 8), (8, 8), (9, 16), (65, 128)])
def test_the_largest_rank_is_rounded_up_to_one_that_vllm_has(
    rank: int, taken: int, arguments: ModuleType
) -> None:
    made = arguments.engine_arguments(spec(num_gpus=1), adapters(1, rank))
    assert made["enable_lora"] is True
    assert made["max_lora_rank"] == taken


def test_a_rank_that_vllm_lacks_fails_the_model_and_names_the_adapter(
    arguments: ModuleType,
) -> None:
    with pytest.raises(ModelFailedError) as caught:
        arguments.engine_arguments(spec(num_gpus=1), adapters(4, 513))
    assert caught.value.message == "adapter adapter-1 has rank 513; vLLM takes at most 512"


def test_without_adapters_vllm_prepares_for_none(arguments: ModuleType) -> None:
    assert not {"enable_lora", "max_loras"} & set(arguments.engine_arguments(spec(num_gpus=1)))


@pytest.mark.parametrize(("count", "places"), [(1, 1), (8, 8), (9, 8)])
def test_on_a_gpu_up_to_eight_adapters_share_a_batch_and_all_stay_in_memory(
    count: int, places: int, arguments: ModuleType
) -> None:
    made = arguments.engine_arguments(spec(num_gpus=1), adapters(*[4] * count))
    assert (made["max_loras"], made["max_cpu_loras"]) == (places, count)


def test_on_a_cpu_the_last_place_for_adapters_stays_empty_whatever_the_entry_says(
    arguments: ModuleType,
) -> None:
    entry = spec(num_gpus=0, engine_arguments={"max_loras": 1})
    made = arguments.engine_arguments(entry, adapters(4, 4))
    assert (made["max_loras"], made["max_cpu_loras"]) == (3, 3)


def test_adapters_get_numbers_from_one_by_which_vllm_tells_them_apart(
    arguments: ModuleType,
) -> None:
    made = arguments.lora_requests(adapters(4, 4))
    assert {name: (lora.lora_int_id, lora.lora_path) for name, lora in made.items()} == {
        "adapter-0": (1, "/adapters/0"),
        "adapter-1": (2, "/adapters/1"),
    }


def test_somebody_who_waits_comes_before_a_sweep(arguments: ModuleType) -> None:
    # vLLM schedules the smallest number first.
    assert arguments.priority(Lane.INTERACTIVE) < arguments.priority(Lane.SWEEP)


def test_every_sampling_field_reaches_vllm(arguments: ModuleType) -> None:
    from dataclasses import replace

    asked = replace(
        sampling(max_tokens=9, stop=("end",)),
        temperature=0.7,
        top_p=0.9,
        top_k=5,
        seed=3,
        repetition_penalty=1.1,
        presence_penalty=0.2,
        frequency_penalty=0.3,
        min_tokens=2,
    )
    made = arguments.sampling_parameters(asked)
    for name in ("max_tokens", "temperature", "top_p", "top_k", "seed", "min_tokens"):
        assert getattr(made, name) == getattr(asked, name)
    for name in ("repetition_penalty", "presence_penalty", "frequency_penalty"):
        assert getattr(made, name) == getattr(asked, name)
    assert made.stop == ["end"]
