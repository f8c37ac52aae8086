"""The tables and numbers of docs/sizing.md are those of the catalog and of plan-capacity."""

import re
from pathlib import Path

from services.cli.catalog_needs import needs_of
from services.generation.catalog import load_catalog
from services.generation.settings import GenerationSettings
from services.sweep.capacity.gpus import GPU_TYPES, GpuType, ReplicaMemory
from services.sweep.capacity.pace import (
    BYTES_PER_ANSWER,
    DRIVER_QUESTIONS_PER_S,
    ENCODED_PER_CORE_S,
    FRONT_QUESTIONS_PER_S,
    LOAD_S,
)
from services.sweep.plan.estimate import OUTPUT_TOKENS, TOKENS_PER_S

PROJECT = Path(__file__).parents[3]
SIZING = (PROJECT / "docs" / "sizing.md").read_text(encoding="utf-8")
WORDS = " ".join(SIZING.split())


def smallest(memory: ReplicaMemory) -> str:
    fitting: list[GpuType] = [gpu for gpu in GPU_TYPES if memory.fits(gpu)]
    return " or ".join(gpu.name for gpu in fitting if gpu.memory_gib == fitting[0].memory_gib)


def test_the_table_has_every_model_with_gpus_as_the_catalog_has_it() -> None:
    share = GenerationSettings.model_fields["interactive_share"].default
    expected = []
    for spec in load_catalog(PROJECT / "deploy" / "models", Path()):
        needs = needs_of(spec, share)
        if needs.memory.gpus:
            numbers = (needs.memory.gpus, needs.memory.memory_gib, needs.places)
            cells = [f"`{spec.name}`", *(f"{number:g}" for number in numbers)]
            expected.append(f"| {' | '.join(cells)} | {smallest(needs.memory)} |")
    assert expected == re.findall(r"^\| `.*\|$", SIZING, flags=re.MULTILINE)


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
    assert f"{LOAD_S:g} s by default" in WORDS
    assert WORDS.count(f"count on {DRIVER_QUESTIONS_PER_S:g}/s") == 2
    assert DRIVER_QUESTIONS_PER_S == FRONT_QUESTIONS_PER_S
    assert f"about {ENCODED_PER_CORE_S:g} texts a second and core" in WORDS
    assert f"about {BYTES_PER_ANSWER / 1000:g} KB an answer" in WORDS
    assert f"of 300,000 answers {300_000 * BYTES_PER_ANSWER / 2**30:.1f} GiB" in WORDS
