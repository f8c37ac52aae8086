"""Options that are given by their values: the same as the rules, or refused by name."""

from dataclasses import fields, replace
from itertools import product

import pytest

from services.core.errors import InvalidRequestError
from services.metrics import (
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    NoPairsConvention,
    NoPairsRule,
    PartialMatchRule,
    ScoringInput,
    ScoringOptions,
    TokenizerRule,
    aggregate,
    length,
    score_all,
)

EVERY_OPTION = [
    ScoringOptions(*choice)
    for choice in product(
        CaseRule, BoundaryRule, TokenizerRule, PartialMatchRule, NoPairsRule, GeneratedEntitiesRule
    )
]
# Its numbers change with the options.
ITEM = ("rome, romes isn't ROME!", "Rome isn't rome.", ["rome", "is n't"])


def plain(options: ScoringOptions) -> ScoringOptions:
    """The options made of their values, as a caller writes them who reads a configuration."""
    values = {field.name: str(getattr(options, field.name)) for field in fields(ScoringOptions)}
    return ScoringOptions(**values)  # type: ignore[arg-type]


def test_options_given_by_their_values_are_the_options() -> None:
    for options in EVERY_OPTION:
        written = plain(options)
        assert written == options
        for field in fields(ScoringOptions):
            assert getattr(written, field.name) is getattr(options, field.name), field.name
        own = ["rome"] if options.generated_entities is GeneratedEntitiesRule.GIVEN else None
        one, other = (
            score_all(ScoringInput(*ITEM, choice, candidate_entities=own))
            for choice in (written, options)
        )
        assert one == other


def test_a_choice_by_its_value_changes_nothing_for_those_who_come_later() -> None:
    # Once by values, once by rules, with an entity that no other test has in its caches.
    item = ("oslofjord is", "Oslofjord, oslofjord is", ["Oslofjord"])
    for options in (plain(ScoringOptions()), ScoringOptions()):
        [found] = score_all(ScoringInput(*item, options), ["ec_exact"])
        assert found.value == 0
        assert "|case:sensitive|" in found.signature


@pytest.mark.parametrize("field", [f.name for f in fields(ScoringOptions) if f.name != "encoder"])
@pytest.mark.parametrize("value", ["bogus", "", None, 3, ["word"]])
def test_a_choice_that_does_not_exist_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        replace(ScoringOptions(), **{field: value})  # type: ignore[arg-type]
    [violation] = caught.value.violations
    assert violation.field == field
    allowed = ", ".join(type(getattr(ScoringOptions(), field)))
    assert violation.description == f"must be one of {allowed}, not {value!r}"
    assert caught.value.message == f"{field} {violation.description}"


def test_an_encoder_is_named_by_a_string() -> None:
    with pytest.raises(InvalidRequestError, match="encoder must be a string, not None"):
        replace(ScoringOptions(), encoder=None)  # type: ignore[arg-type]


def test_lengths_take_a_tokenizer_by_its_value_and_no_other() -> None:
    assert length("It isn't", "whitespace") == 2  # type: ignore[arg-type]
    assert length("It isn't", "nltk") == 3  # type: ignore[arg-type]
    allowed = "nltk, wordpunct, whitespace"
    with pytest.raises(InvalidRequestError, match=f"tokenizer must be one of {allowed}, not 'x'"):
        length("It isn't", "x")  # type: ignore[arg-type]


def test_the_convention_for_items_without_pairs_may_be_given_by_its_value() -> None:
    default = score_all(ScoringInput("Paris.", "In Paris.", ["Paris", "Rome"]), ["ecooc_0"])
    written = aggregate(default, "count_as_zero")  # type: ignore[arg-type]
    assert written == aggregate(default, NoPairsConvention.COUNT_AS_ZERO)
    with pytest.raises(InvalidRequestError, match="no_pairs must be one of leave_out, count_as_"):
        aggregate(default, "zero")  # type: ignore[arg-type]
