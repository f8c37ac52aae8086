"""Sampling parameters: ranges, defaults, seeds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.domain import Sampling, SamplingRequest
from services.generation.sampling import fill_sampling, limit_violations, sampling_violations

DEFAULTS = Sampling(
    max_tokens=100,
    temperature=0.0,
    top_p=1.0,
    top_k=0,
    seed=None,
    stop=("END",),
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    min_tokens=0,
)


@pytest.mark.parametrize(
    "asked",
    [
        SamplingRequest(max_tokens=1, temperature=0, top_p=1, top_k=0, seed=0, min_tokens=0),
        SamplingRequest(temperature=2, top_p=1e-9, repetition_penalty=2, stop=("x" * 1000,) * 16),
        SamplingRequest(presence_penalty=-2, frequency_penalty=2, seed=2**63 - 1),
    ],
)
def test_the_ends_of_the_ranges_are_allowed(asked: SamplingRequest) -> None:
    assert sampling_violations(asked) == []


@pytest.mark.parametrize(
    ("asked", "field", "description"),
    [
        (SamplingRequest(max_tokens=0), "max_tokens", "must be at least 1; got 0"),
        (
            SamplingRequest(temperature=2.5),
            "temperature",
            "must be at least 0 and at most 2; got 2.5",
        ),
        (SamplingRequest(top_p=0), "top_p", "must be above 0 and at most 1; got 0"),
        (SamplingRequest(top_k=-1), "top_k", "must be at least 0; got -1"),
        (SamplingRequest(seed=-1), "seed", "must be at least 0; got -1"),
        (
            SamplingRequest(repetition_penalty=0),
            "repetition_penalty",
            "must be above 0 and at most 2; got 0",
        ),
        (
            SamplingRequest(presence_penalty=-3),
            "presence_penalty",
            "must be at least -2 and at most 2; got -3",
        ),
        (SamplingRequest(min_tokens=-1), "min_tokens", "must be at least 0; got -1"),
        (SamplingRequest(stop=("x",) * 17), "stop", "must hold at most 16 texts; got 17"),
        (SamplingRequest(stop=("",) * 17), "stop", "must hold at most 16 texts; got 17"),
        (
            SamplingRequest(stop=("x", "")),
            "stop[1]",
            "must have at least 1 and at most 1000 characters; got 0",
        ),
        (
            SamplingRequest(stop=("x" * 1001,)),
            "stop[0]",
            "must have at least 1 and at most 1000 characters; got 1001",
        ),
    ],
)
def test_a_violation_names_the_limit_and_the_value(
    asked: SamplingRequest, field: str, description: str
) -> None:
    (violation,) = sampling_violations(asked)
    assert violation.field == f"sampling.{field}"
    assert violation.description == description


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["temperature", "top_p", "repetition_penalty"])
def test_numbers_that_are_none_are_out_of_range(field: str, value: float) -> None:
    assert len(sampling_violations(SamplingRequest(**{field: value}))) == 1


def test_every_violation_is_named_at_once() -> None:
    wrong = SamplingRequest(max_tokens=0, top_p=2, stop=("",))
    assert len(sampling_violations(wrong)) == 3


def test_open_fields_take_the_defaults() -> None:
    assert fill_sampling(SamplingRequest(), DEFAULTS) == DEFAULTS


def test_given_fields_win_over_the_defaults_even_when_zero() -> None:
    filled = fill_sampling(SamplingRequest(presence_penalty=0.0, stop=("x",), seed=0), DEFAULTS)
    assert filled.stop == ("x",)
    assert filled.seed == 0


def test_a_seed_is_drawn_when_chance_plays_a_part() -> None:
    seeds = {fill_sampling(SamplingRequest(temperature=1.0), DEFAULTS).seed for _ in range(8)}
    assert None not in seeds
    assert len(seeds) > 1  # equal by chance once in 2**217 runs


def test_fewest_tokens_may_not_exceed_the_default_most() -> None:
    filled = fill_sampling(SamplingRequest(min_tokens=101), DEFAULTS)
    assert limit_violations(filled)[0].description == "must be at most max_tokens, 100; got 101"


@given(st.floats(0, 2), st.integers(1, 10**6), st.integers(0, 2**63 - 1))
def test_what_is_in_range_is_passed_on_unchanged(
    temperature: float, max_tokens: int, seed: int
) -> None:
    asked = SamplingRequest(temperature=temperature, max_tokens=max_tokens, seed=seed)
    assert sampling_violations(asked) == []
    filled = fill_sampling(asked, DEFAULTS)
    assert (filled.temperature, filled.max_tokens, filled.seed) == (temperature, max_tokens, seed)
