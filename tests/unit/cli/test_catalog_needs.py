"""What catalog entries mean to a capacity plan."""

from pathlib import Path

import pytest

from services.cli.catalog_needs import needs_of
from services.generation.catalog import ModelSpec, load_catalog

PROJECT = Path(__file__).parents[3]


def entry(**keys: object) -> ModelSpec:
    declared = {"name": "alpha", "max_model_len": 4096, "source": {"hub": "x/y"}, **keys}
    return ModelSpec.model_validate(declared)


@pytest.mark.parametrize(
    ("keys", "places"),
    [
        # An eighth of 96 places is for interactive calls.
        ({"scaling": {"max_ongoing_requests": 96}}, 84),
        (
            {
                "scaling": {"max_ongoing_requests": 96},
                "engine_arguments": {"max_num_seqs": 64},
            },
            64,
        ),
        ({"engine": "transformers"}, 8),
        ({"engine": "transformers", "engine_arguments": {"max_batch_size": 3}}, 3),
        ({"scaling": {"max_ongoing_requests": 1, "target_ongoing_requests": 1}}, 1),
    ],
)
def test_a_sweep_gets_what_engine_and_lanes_leave_it(keys: dict[str, object], places: int) -> None:
    assert needs_of(entry(**keys), 0.125).places == places


def test_memory_and_replicas_are_those_of_the_entry() -> None:
    needs = needs_of(
        entry(
            num_gpus=2,
            tensor_parallel_size=2,
            memory_gib=73,
            engine_arguments={"gpu_memory_utilization": 0.8},
            scaling={"max_replicas": 5},
        ),
        0.125,
    )
    assert (needs.memory.gpus, needs.memory.memory_gib, needs.memory.gpu_share) == (2, 73, 0.8)
    assert (needs.max_replicas, needs.runs_elsewhere) == (5, False)


@pytest.mark.parametrize(
    ("keys", "idle_s"),
    [
        ({"num_gpus": 1, "scaling": {"min_replicas": 0, "downscale_delay_s": 70}}, 70),
        ({"num_gpus": 1, "scaling": {"min_replicas": 1, "downscale_delay_s": 70}}, 0),
        ({"scaling": {"min_replicas": 0, "downscale_delay_s": 70}}, 0),
    ],
)
def test_gpus_are_held_until_a_model_scales_to_zero(keys: dict[str, object], idle_s: int) -> None:
    assert needs_of(entry(**keys), 0).idle_s == idle_s


def test_weights_take_two_bytes_a_parameter_or_four() -> None:
    keys = {"parameter_count": 2**30}
    assert needs_of(entry(**keys), 0).weights_gib == 2
    assert needs_of(entry(**keys, dtype="float32"), 0).weights_gib == 4
    assert needs_of(entry(), 0).weights_gib is None


def test_engines_take_their_own_part_of_a_gpu() -> None:
    assert needs_of(entry(), 0).memory.gpu_share == 0.92
    assert needs_of(entry(engine="transformers"), 0).memory.gpu_share == 1.0


def test_an_endpoint_needs_no_gpu_and_takes_what_it_is_given() -> None:
    gpt = load_catalog(PROJECT / "deploy" / "models", Path()).get("gpt-4o")
    needs = needs_of(gpt, 0.125)
    assert (needs.memory.gpus, needs.places, needs.runs_elsewhere) == (0, 16, True)


def test_every_model_of_the_catalog_with_gpus_fits_on_one_of_80_gib_each() -> None:
    from services.sweep.capacity.gpus import choose_gpus

    (gpu,) = choose_gpus(["H100"])
    needs = [needs_of(spec, 0.125) for spec in load_catalog(PROJECT / "deploy/models", Path())]
    assert all(found.memory.fits(gpu) for found in needs if found.memory.gpus)
