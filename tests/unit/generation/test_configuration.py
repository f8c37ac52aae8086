"""What of a catalog entry names another configuration, and what of it attests answers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from services.core.digests import digest_of_files
from services.core.errors import ModelFailedError
from services.generation import convert
from services.generation.catalog import Catalog, ModelSpec, SourceSpec
from services.generation.configuration import (
    configuration_digest,
    engine_digest,
    with_default_sampling,
)
from services.generation.domain import ModelCondition, ModelState
from services.generation.engines import build_engine
from services.generation.runner import ModelRunner
from services.generation.served_models import ServedModels
from services.generation.weights import adapter_revision
from tests.unit.generation.builders import engine_request, scripted_spec

ENTRY: Mapping[str, object] = {
    "name": "asked",
    "max_model_len": 128,
    "source": {"folder": "/m"},
    "engine_arguments": {"max_num_seqs": 8},
}


def digest(**changed: object) -> str:
    return configuration_digest(ModelSpec.model_validate({**ENTRY, **changed}))


@pytest.mark.parametrize(
    "changed",
    [
        {"engine": "transformers", "engine_arguments": {}},
        {"dtype": "bfloat16"},
        {"quantization": "awq"},
        {"max_model_len": 256},
        {"sampling": {"max_tokens": 257}},
        {"sampling": {"temperature": 0.5}},
        {"sampling": {"repetition_penalty": 1.1}},
        {"sampling": {"stop": ["."]}},
        # How large the model's processor makes pictures.
        {"engine_arguments": {"mm_processor_kwargs": {"size": {"longest_edge": 1003520}}}},
    ],
)
def test_what_can_change_an_answer_is_another_configuration(changed: Mapping[str, object]) -> None:
    assert digest(**changed) != digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"description": "Another one."},
        {"engine_arguments": {"max_num_seqs": 16, "gpu_memory_utilization": 0.8}},
        {"sampling": {"max_tokens": 256, "top_p": 1.0}},
        {"scaling": {"max_replicas": 4}},
        {"num_gpus": 1},
        {"image": {"max_pixels": 1000}},
        {"adapters": {"wit": {"folder": "/a"}}},
    ],
)
def test_where_and_how_fast_it_runs_is_none(changed: Mapping[str, object]) -> None:
    assert digest(**changed) == digest()


def test_an_endpoint_that_is_not_sent_a_field_is_another_configuration() -> None:
    def of(**block: object) -> str:
        openai = {"base_url": "https://example.org/v1", "model": "far", **block}
        entry = {"name": "far", "max_model_len": 128, "engine": "openai", "openai": openai}
        return configuration_digest(ModelSpec.model_validate(entry))

    assert of() == of(base_url="https://example.com/v1")
    assert of() != of(refuses=["top_p"])
    assert of() != of(dialect="vllm")


def test_an_adapters_revision_moves_with_its_weights(tmp_path: Path) -> None:
    names = ("adapter_config.json", "adapter_model.safetensors")
    for name in names:
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "notes.md").write_text("no part of it")
    place = SourceSpec(folder=str(tmp_path))
    first = adapter_revision(place)
    assert first == digest_of_files([tmp_path / name for name in names], tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"2")
    assert adapter_revision(place) != first
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelFailedError, match="holds no adapter: No such file"):
        adapter_revision(place)


def test_a_replica_that_is_not_told_the_default_sampling_runs_the_same_engine() -> None:
    spec = ModelSpec.model_validate({**ENTRY, "sampling": {"max_tokens": 7}})
    # A config that is deployed leaves it out of what replicas get, see serve_config.
    deployed = ModelSpec.model_validate(ENTRY)
    assert engine_digest(deployed) == engine_digest(spec)
    whole = with_default_sampling(engine_digest(deployed), spec.sampling)
    assert whole == configuration_digest(spec) != configuration_digest(deployed)


async def test_answers_and_listings_name_the_adapters_revisions(tmp_path: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes(b"1")
    place = SourceSpec(folder=str(tmp_path))
    # The scripted engine has no adapters of its own: it plays an engine that has.
    spec = scripted_spec().model_copy(update={"adapters": {"wit": place}})
    runner = ModelRunner(spec, build_engine(spec), delta_interval_s=0.0)
    await runner.start()
    answer = await runner.explain(replace(engine_request(), adapter="wit"), 10.0)
    revision = adapter_revision(place)
    assert convert.completion_message(answer.completion).provenance.adapter_revision == revision
    served = ServedModels(Catalog({spec.name: spec}))
    ready = ModelCondition(ModelState.READY, adapter_revisions=runner.adapter_revisions)
    served.note({spec.name: ready})
    assert dict(convert.model_message(served.infos()[0]).adapter_revisions) == {"wit": revision}
