"""Lists of entities and metrics: one string is none, and what can be read once is read once."""

from collections.abc import Callable, Iterable

import pytest

from services.core.errors import InvalidRequestError
from services.metrics import (
    GeneratedEntitiesRule,
    ScoringInput,
    ScoringOptions,
    entity_cooccurrence,
    entity_coverage,
    entity_f1,
    find_metrics,
    input_violations,
    score_all,
)

GIVEN = ScoringOptions(generated_entities=GeneratedEntitiesRule.GIVEN)
TEXTS = ("Paris, Rome.", "Paris, Rome, Oslo.")
ENTITIES = ["Paris", "Rome", "Oslo"]
OWN = ["Paris", "Oslo", "Bern"]

# What takes entities, and in the end the candidate's own.
TAKES_ENTITIES: list[Callable[[Iterable[str], Iterable[str]], object]] = [
    lambda entities, own: score_all(
        ScoringInput(*TEXTS, entities, GIVEN, candidate_entities=own), ["ec_partial", "ef1"]
    ),
    lambda entities, own: entity_coverage(TEXTS[0], entities, GIVEN, own),
    lambda entities, own: entity_f1(*TEXTS, entities, GIVEN, own),
    lambda entities, own: entity_cooccurrence(*TEXTS, entities, GIVEN, own),
    lambda entities, own: input_violations(TEXTS[1], entities, GIVEN, own),
]


@pytest.mark.parametrize("take", TAKES_ENTITIES)
def test_one_string_is_no_list_of_entities(
    take: Callable[[Iterable[str], Iterable[str]], object],
) -> None:
    for field, arguments in (
        ("entities", ("Paris", OWN)),
        ("candidate_entities", (ENTITIES, "Paris")),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            take(*arguments)
        expected = "must be a list of strings, not one string; write ['Paris']"
        assert caught.value.message == f"{field} {expected}"
        [violation] = caught.value.violations
        assert (violation.field, violation.description) == (field, expected)


@pytest.mark.parametrize("take", TAKES_ENTITIES)
def test_entities_may_be_given_by_what_can_be_read_once(
    take: Callable[[Iterable[str], Iterable[str]], object],
) -> None:
    assert take(iter(ENTITIES), iter(OWN)) == take(ENTITIES, OWN)


def test_what_is_wrong_with_entities_that_can_be_read_once_is_said_by_field() -> None:
    for reference, expected in (("r", ["entities[1]"]), (" ", ["reference", "entities[1]"])):
        with pytest.raises(InvalidRequestError) as caught:
            ScoringInput("c", reference, iter(["a", " "]))
        assert [violation.field for violation in caught.value.violations] == expected


@pytest.mark.parametrize(
    "take",
    [find_metrics, lambda names: score_all(ScoringInput(*TEXTS, ENTITIES), names)],
)
def test_one_string_is_no_list_of_metrics(take: Callable[[Iterable[str]], object]) -> None:
    with pytest.raises(InvalidRequestError, match=r"^metrics must be a list .* write \['ef1'\]$"):
        take("ef1")
    assert take(iter(["ef1", "bleu"])) == take(["ef1", "bleu"])
