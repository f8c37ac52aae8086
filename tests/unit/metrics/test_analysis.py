"""An analysis that is kept: it answers every question by itself, whatever was asked before."""

from itertools import permutations, product

from services.metrics import (
    BoundaryRule,
    CaseRule,
    ScoringInput,
    ScoringOptions,
    TextAnalysis,
    TokenizerRule,
)

TEXT = "The party's art, Art and ARTISTS."
# "art" by case and boundary: alone, also in "party"; without case "Art" too, and in "ARTISTS".
OCCURRENCES = {
    (CaseRule.SENSITIVE, BoundaryRule.WORD): 1,
    (CaseRule.SENSITIVE, BoundaryRule.SUBSTRING): 2,
    (CaseRule.INSENSITIVE, BoundaryRule.WORD): 2,
    (CaseRule.INSENSITIVE, BoundaryRule.SUBSTRING): 4,
}


def test_a_kept_analysis_answers_by_the_options_it_is_asked_with() -> None:
    for order in permutations(product(CaseRule, BoundaryRule)):
        kept = TextAnalysis(TEXT)
        for case, boundary in (*order, *order):
            item = ScoringInput(kept, kept, ["art"], ScoringOptions(case, boundary))
            assert item.in_candidate.counts == [OCCURRENCES[case, boundary]]
            assert item.in_reference.counts == [OCCURRENCES[case, boundary]]


def test_a_kept_analysis_answers_for_the_entities_it_is_asked_with() -> None:
    kept = TextAnalysis(TEXT)
    first, second = ScoringInput("c", kept, ["art"]), ScoringInput("c", kept, ["Art", "party"])
    assert first.in_reference.counts == [1]
    assert second.in_reference.counts == [1, 1]
    assert ScoringInput("c", kept, ["art"]).in_reference.counts == [1]


def test_nobody_can_change_the_tokens_that_others_are_given() -> None:
    kept = TextAnalysis("It isn't")
    assert kept.tokens == ("It", "is", "n't")
    assert kept.split(TokenizerRule.WHITESPACE) == ("It", "isn't")
    assert kept.tokens is kept.split(TokenizerRule.NLTK)
