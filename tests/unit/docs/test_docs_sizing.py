"""The tables and numbers of docs/sizing.md are those of the catalog and of plan-capacity."""

import math
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from services.cli.catalog_needs import needs_of
from services.generation.catalog import ModelSpec, load_catalog
from services.generation.settings import GenerationSettings
from services.sweep.capacity.gpus import GPU_TYPES, GpuType, ReplicaMemory
from services.sweep.capacity.pace import (
    BYTES_PER_ANSWER,
    DRIVER_QUESTIONS_PER_S,
    ENCODED_PER_CORE_S,
    FRONT_QUESTIONS_PER_S,
    SCORED_PER_WORKER_S,
    START_S,
    WEIGHTS_GIB,
    WEIGHTS_MIB_PER_S,
)
from services.sweep.plan.estimate import OUTPUT_TOKENS, TOKENS_PER_S

PROJECT = Path(__file__).parents[3]
SIZING = (PROJECT / "docs" / "sizing.md").read_text(encoding="utf-8")
WORDS = " ".join(SIZING.split())
CATALOG = load_catalog(PROJECT / "deploy" / "models", Path())
ON_GPUS = [spec for spec in CATALOG if spec.num_gpus]


class Cache(NamedTuple):
    """What a language model remembers of a token, by the config.json of its weights on the hub.

    ``picture_mib`` is what layers that look at the picture alone remember of it, whatever its
    length: 8 layers of Llama-3.2-Vision, for 4 tiles of 1,601 tokens, each 4 KiB.
    """

    layers: int  # num_hidden_layers
    heads: int  # num_key_value_heads
    head_size: int  # head_dim, or else hidden_size / num_attention_heads
    picture_mib: float = 0.0

    @property
    def kib_a_token(self) -> float:
        """Keys and values, in two bytes each."""
        return 2 * self.layers * self.heads * self.head_size * 2 / 2**10


VICUNA_7B = Cache(32, 32, 128)
VICUNA_13B = Cache(40, 40, 128)
LLAMA_3_8B = MISTRAL_7B = Cache(32, 8, 128)
QWEN_2_5_7B = Cache(28, 4, 128)
CACHES = {
    "gemma-3-12b-it": Cache(48, 8, 256),
    "gemma-3-4b-it": Cache(34, 4, 256),
    "idefics3-8b": LLAMA_3_8B,
    "instructblip-vicuna-13b": VICUNA_13B,
    "instructblip-vicuna-7b": VICUNA_7B,
    "internvl3-2b": Cache(28, 2, 128),
    "internvl3-8b": QWEN_2_5_7B,
    "llama-3.2-11b-vision-instruct": Cache(32, 8, 128, picture_mib=8 * 4 * 1601 * 4 / 2**10),
    "llava-1.5-13b": VICUNA_13B,
    "llava-1.5-7b": VICUNA_7B,
    "llava-next-34b": Cache(60, 8, 128),
    "llava-next-mistral-7b": MISTRAL_7B,
    "llava-next-vicuna-13b": VICUNA_13B,
    "llava-next-vicuna-7b": VICUNA_7B,
    "phi-3.5-vision-instruct": Cache(32, 32, 96),
    "qwen2.5-vl-3b-instruct": Cache(36, 2, 128),
    "qwen2.5-vl-72b-instruct": Cache(80, 8, 128),
    "qwen2.5-vl-7b-instruct": QWEN_2_5_7B,
    "qwen3-vl-8b-instruct": Cache(36, 8, 128),
    "smolvlm-instruct": Cache(24, 32, 64),
}


def smallest(memory: ReplicaMemory) -> str:
    fitting: list[GpuType] = [gpu for gpu in GPU_TYPES if memory.fits(gpu)]
    return " or ".join(gpu.name for gpu in fitting if gpu.memory_gib == fitting[0].memory_gib)


def test_the_table_has_every_model_with_gpus_as_the_catalog_has_it() -> None:
    share = GenerationSettings.model_fields["interactive_share"].default
    expected = []
    for spec in ON_GPUS:
        needs = needs_of(spec, share)
        assert needs.weights_gib is not None
        cells = (
            f"`{spec.name}`",
            f"{needs.weights_gib:.1f}",
            f"{CACHES[spec.name].kib_a_token:g}",
            f"{spec.max_model_len}",
            f"{needs.memory.gpus:g}",
            f"{needs.memory.memory_gib:g}",
            f"{needs.places}",
            smallest(needs.memory),
        )
        expected.append(f"| {' | '.join(cells)} |")
    assert expected == re.findall(r"^\| `.*\|$", SIZING, flags=re.MULTILINE)


@pytest.mark.parametrize("spec", ON_GPUS, ids=lambda spec: spec.name)
def test_memory_is_weights_four_contexts_and_two_gib_a_gpu_rounded_up(spec: ModelSpec) -> None:
    assert spec.parameter_count is not None
    assert spec.dtype in {"bfloat16", "float16"}
    cache = CACHES[spec.name]
    context_gib = cache.kib_a_token * spec.max_model_len / 2**20 + cache.picture_mib / 2**10
    weights_gib = spec.parameter_count * 2 / 2**30
    assert spec.memory_gib == math.ceil(weights_gib + 4 * context_gib + 2 * spec.num_gpus)


def test_entries_that_name_a_gpu_of_24_gb_have_room_for_one_context_there() -> None:
    folder = PROJECT / "deploy" / "models"
    named = [
        spec
        for spec in ON_GPUS
        if "one GPU of 24 GB" in (folder / f"{spec.name}.yaml").read_text(encoding="utf-8")
    ]
    assert len(named) > 5
    (l4,) = (gpu for gpu in GPU_TYPES if gpu.name == "L4")
    for spec in named:
        needs = needs_of(spec, 0)
        assert needs.weights_gib is not None
        context_gib = CACHES[spec.name].kib_a_token * spec.max_model_len / 2**20
        assert needs.weights_gib + context_gib + 2 <= needs.memory.given_gib(l4), spec.name


def test_types_of_gpus_have_the_memory_that_is_told() -> None:
    told = WORDS.partition("the types are counted as ")[2].partition(".")[0]
    counted = {
        name: float(gib)
        for names, gib in re.findall(r"([\w\- ]+?) ([0-9.]+)(?: GiB)?(?:,|$)", told)
        for name in names.split(" and ")
    }
    assert {name.strip(): gib for name, gib in counted.items()} == {
        gpu.name: gpu.memory_gib for gpu in GPU_TYPES
    }


def test_assumptions_are_told_as_they_are() -> None:
    assert f"at {TOKENS_PER_S} tokens/s" in WORDS
    seconds = OUTPUT_TOKENS / TOKENS_PER_S
    assert f"{OUTPUT_TOKENS} tokens take {seconds:g} s" in WORDS
    # 64 places for as long as an answer takes.
    assert f"answers {64 / seconds:.1f} questions/s" in WORDS
    assert f"100,000 questions take it {100_000 / (64 / seconds) / 3600:.1f} hours" in WORDS
    assert f"{START_S:g} s to start the engine" in WORDS
    assert f"weights at {WEIGHTS_MIB_PER_S:g} MiB/s" in WORDS
    load_s = START_S + WEIGHTS_GIB * 2**10 / WEIGHTS_MIB_PER_S
    assert f"{WEIGHTS_GIB:g} GiB of weights take {load_s / 60:.0f} minutes" in WORDS
    assert f"counts {SCORED_PER_WORKER_S:,.0f}/s" in WORDS
    assert WORDS.count(f"count on {DRIVER_QUESTIONS_PER_S:g}/s") == 2
    assert DRIVER_QUESTIONS_PER_S == FRONT_QUESTIONS_PER_S
    assert f"about {ENCODED_PER_CORE_S:g} texts a second and core" in WORDS
    assert f"about {BYTES_PER_ANSWER / 1000:g} KB an answer" in WORDS
    assert f"of 300,000 answers {300_000 * BYTES_PER_ANSWER / 2**30:.1f} GiB" in WORDS
