"""Which sampling fields an engine cannot honour, and that nothing else is refused."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.capabilities import lacking_fields, unsupported_fields
from services.generation.catalog import ModelSpec, OpenAISpec
from services.generation.domain import SamplingRequest
from tests.unit.generation.builders import sampling, scripted_spec


def openai_spec(**endpoint: object) -> ModelSpec:
    address = {"base_url": "http://127.0.0.1:1/v1", "model": "m", **endpoint}
    return ModelSpec(
        name="closed",
        engine="openai",
        max_model_len=1000,
        openai=OpenAISpec.model_validate(address),
    )


def refused(spec: ModelSpec, asked: SamplingRequest) -> list[str]:
    return [violation.field for violation in unsupported_fields(spec, asked)]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (SamplingRequest(top_k=5), "sampling.top_k"),
        (SamplingRequest(repetition_penalty=1.1), "sampling.repetition_penalty"),
        (SamplingRequest(min_tokens=3), "sampling.min_tokens"),
    ],
)
def test_fields_that_only_vllm_adds_are_refused_unless_the_endpoint_is_vllm(
    asked: SamplingRequest, field: str
) -> None:
    assert refused(openai_spec(), asked) == [field]
    assert refused(openai_spec(dialect="vllm"), asked) == []
    assert refused(scripted_spec(), asked) == []


def test_a_violation_names_model_engine_remedy_and_value() -> None:
    (violation,) = unsupported_fields(openai_spec(), SamplingRequest(top_k=5))
    assert violation.description == (
        "is not supported by model closed (engine openai); leave it out or give 0; got 5"
    )


def test_values_that_change_nothing_are_honoured_by_any_model() -> None:
    spec = openai_spec(refuses=["temperature", "top_p", "presence_penalty", "frequency_penalty"])
    neutral = SamplingRequest(
        max_tokens=7,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        repetition_penalty=1.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        min_tokens=0,
    )
    assert refused(spec, neutral) == []
    assert refused(spec, SamplingRequest()) == []


def test_fields_that_an_endpoint_refuses_are_refused_at_any_other_value() -> None:
    spec = openai_spec(refuses=["temperature", "seed", "stop"], dialect="vllm")
    asked = SamplingRequest(temperature=0.0, seed=0, stop=("end",), top_p=0.5)
    assert refused(spec, asked) == ["sampling.temperature", "sampling.seed", "sampling.stop"]


def test_openai_takes_four_stop_texts_and_vllm_more() -> None:
    four, five = SamplingRequest(stop=("a",) * 4), SamplingRequest(stop=("a",) * 5)
    assert refused(openai_spec(), four) == []
    assert refused(openai_spec(), five) == ["sampling.stop"]
    assert refused(openai_spec(dialect="vllm"), five) == []


def test_defaults_of_an_entry_are_judged_like_a_request() -> None:
    assert unsupported_fields(openai_spec(), sampling()) == []
    # The builders' default is greedy, and this endpoint only takes its own temperature, 1.
    (violation,) = unsupported_fields(openai_spec(refuses=["temperature"]), sampling())
    assert violation.field == "sampling.temperature"


@given(
    st.builds(
        SamplingRequest,
        top_k=st.none() | st.integers(0, 9),
        seed=st.none() | st.integers(0, 9),
        repetition_penalty=st.none() | st.floats(0.1, 2),
        presence_penalty=st.none() | st.floats(-2, 2),
        min_tokens=st.none() | st.integers(0, 9),
    )
)
def test_only_fields_that_are_lacking_and_set_are_ever_refused(asked: SamplingRequest) -> None:
    for spec in (openai_spec(), openai_spec(refuses=["seed"]), scripted_spec()):
        names = {name.removeprefix("sampling.") for name in refused(spec, asked)}
        given = {field.name for field in fields(asked) if getattr(asked, field.name) is not None}
        assert names <= lacking_fields(spec) & given
        assert len(names) == len(unsupported_fields(spec, asked))
