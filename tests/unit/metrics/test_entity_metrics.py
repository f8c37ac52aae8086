"""Edge cases of the entity metrics, derived by hand."""

import math

import pytest

from services.metrics import (
    METRICS,
    CaseRule,
    Score,
    ScoringInput,
    ScoringOptions,
    TextAnalysis,
    Unscorable,
    UnscorableReason,
    score_all,
)
from services.metrics.fake_encoder import FakeEncoder


def score(metric: str, candidate: str, reference: str, *entities: str) -> Score:
    [found] = score_all(ScoringInput(candidate, reference, entities), [metric])
    return found


ENTITY_METRICS = [name for name in METRICS if name.startswith(("ec", "ef"))]


@pytest.mark.parametrize("metric", ENTITY_METRICS)
def test_an_item_without_entities_is_unscorable(metric: str) -> None:
    found = score(metric, "Paris", "Paris")
    assert found.outcome == Unscorable(UnscorableReason.NO_ENTITIES)
    assert found.value is None
    assert set(found.statistics) == {0.0}


@pytest.mark.parametrize("metric", ENTITY_METRICS)
def test_an_empty_candidate_scores_zero(metric: str) -> None:
    found = score(metric, "", "The Louvre is in Paris.", "Louvre", "Paris")
    assert found.value == 0.0


def test_an_empty_candidate_has_length_zero_and_no_penalty() -> None:
    assert score("length", "", "Paris").value == 0.0
    assert score("length_penalty", "", "Paris").value == 1.0


def test_entity_f1_is_zero_when_no_entity_matches() -> None:
    found = score("ef1", "In Rome.", "In Paris.", "Paris")
    assert found.value == 0.0
    assert found.statistics == (0.0, 0.0, 0, 0, 1, 0)


def test_entity_f1_is_unscorable_when_the_reference_holds_no_entity() -> None:
    found = score("ef1", "In Paris.", "In Rome.", "Paris")
    assert found.outcome == Unscorable(UnscorableReason.ENTITIES_NOT_IN_REFERENCE)


def test_coverage_does_not_need_the_entities_in_the_reference() -> None:
    assert score("ec_exact", "In Paris.", "In Rome.", "Paris").value == 1.0


def test_entity_f1_clips_what_is_said_too_often() -> None:
    # Paris: 4 in the candidate, 1 in the reference. Rome: 0 and 1. Clipped 1;
    # precision 1/4, recall 1/2, F1 = 2 * (1/8) / (3/4) = 1/3.
    found = score("ef1", "Paris, Paris, Paris, Paris.", "Paris and Rome.", "Paris", "Rome")
    assert found.value == pytest.approx(1 / 3)
    assert found.statistics == (0.25, 0.5, 1, 4, 2, 1)


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("Leonardo da Vinci", 1.0),
        ("da Vinci, Leonardo", 2 / 3),  # "da Vinci" is in order, "Leonardo" before it is not
        ("Vinci da Leonardo", 1 / 3),
        ("Leonardo painted; da is a word; Vinci a town", 1.0),  # gaps are allowed
        ("Leonardo Leonardo Leonardo", 1 / 3),
        ("leonardo", 0.0),
    ],
)
def test_partial_coverage_is_the_longest_common_subsequence(
    candidate: str, expected: float
) -> None:
    found = score("ec_partial", candidate, "r", "Leonardo da Vinci")
    assert found.value == pytest.approx(expected)


def test_partial_coverage_handles_repeated_tokens() -> None:
    # Tokens a b a b a against b a b: b a b is common, 3 of 5.
    assert score("ec_partial", "b a b", "r", "a b a b a").value == pytest.approx(3 / 5)


def test_partial_coverage_compares_normalised_tokens() -> None:
    # As they stand, NLTK makes three tokens of the curly form and one of the straight one.
    assert score("ec_partial", "L\u2019Homme", "r", "L'Homme").value == 1.0


@pytest.mark.parametrize(
    ("candidate", "entity", "partial"),
    [
        # Tokens: A loan to the Louvre-Lens . - none is "Louvre".
        ("A loan to the Louvre-Lens.", "Louvre", 0.0),
        # Entity tokens: Washington D.C . ; candidate tokens: Washington D.C. is a city . - two of
        # the three are found, the full stop at the sentence's end.
        ("Washington D.C. is a city.", "Washington D.C.", 2 / 3),
        # At a sentence's end the abbreviation is cut as in the entity.
        ("He lives in Washington D.C.", "Washington D.C.", 1.0),
    ],
)
def test_partial_coverage_is_below_exact_coverage_where_tokens_and_words_differ(
    candidate: str, entity: str, partial: float
) -> None:
    assert score("ec_exact", candidate, "r", entity).value == 1.0
    assert score("ec_partial", candidate, "r", entity).value == pytest.approx(partial)


def test_partial_coverage_ignores_case_if_wanted() -> None:
    item = ScoringInput("MONA lisa", "r", ["Mona Lisa"], ScoringOptions(CaseRule.INSENSITIVE))
    [found] = score_all(item, ["ec_partial"])
    assert found.value == 1.0


def test_a_reference_without_pairs_leaves_cooccurrence_unscorable() -> None:
    found = score("ecooc_0", "Paris and Rome.", "In Paris. In Rome.", "Paris", "Rome")
    assert found.outcome == Unscorable(UnscorableReason.NO_REFERENCE_PAIRS)
    # One sentence further they are together.
    assert score("ecooc_1", "Paris and Rome.", "In Paris. In Rome.", "Paris", "Rome").value == 1.0


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("ecooc_0", None), ("ecooc_1", None), ("ecooc_2", 0.0), ("ecooc_inf", 1.0)],
)
def test_a_window_reaches_n_sentences_to_either_side_of_its_middle(
    metric: str, expected: float | None
) -> None:
    # In the reference the two are 4 sentences apart: together in the window around the sentence
    # half way, if it reaches 2 to either side. In the candidate they are 5 apart.
    between = "It is far. "
    reference = "In Paris. " + 3 * between + "In Rome."
    candidate = "In Paris. " + 4 * between + "In Rome."
    penalty = score("length_penalty", candidate, reference).value
    assert penalty is not None
    found = score(metric, candidate, reference, "Paris", "Rome")
    assert found.value == (None if expected is None else pytest.approx(expected * penalty))


def test_cooccurrence_is_penalised_for_length() -> None:
    # 8 tokens against 4: the penalty is exp(-(8/4 - 1)).
    found = score("ecooc_inf", "Paris and Rome. Paris and Rome.", "Paris, Rome.", "Paris", "Rome")
    assert found.value == pytest.approx(math.exp(-1))
    assert found.statistics == pytest.approx((math.exp(-1), 1, 1, math.exp(-1)))


def test_nested_entities_make_a_pair() -> None:
    found = score("ecooc_0", "Mona Lisa", "The Mona Lisa.", "Mona Lisa", "Lisa")
    assert found.value == 1.0


def test_one_reference_analysis_serves_many_candidates() -> None:
    reference = TextAnalysis("The Louvre is in Paris.")
    for candidate in ("In Paris.", "The Louvre is in Paris.", ""):
        kept = score_all(
            ScoringInput(candidate, reference, ["Louvre", "Paris"], encoder=FakeEncoder()),
            list(METRICS),
        )
        fresh = score_all(
            ScoringInput(candidate, reference.text, ["Louvre", "Paris"], encoder=FakeEncoder()),
            list(METRICS),
        )
        assert kept == fresh


@pytest.mark.parametrize("count", [2, 7, 8, 9, 16, 1_500])
def test_pairs_are_counted_for_any_number_of_entities(count: int) -> None:
    # The candidate has all but the last: of n(n - 1)/2 pairs those of n - 1 entities.
    names = [f"e{number}" for number in range(count)]
    item = ScoringInput(" ".join(names[:-1]), " ".join(names), names)
    pairs = (count - 1) * (count - 2) // 2, count * (count - 1) // 2
    for metric in ("ecooc_0", "ecooc_inf"):
        assert METRICS[metric].score(item).statistics[1:3] == pairs
