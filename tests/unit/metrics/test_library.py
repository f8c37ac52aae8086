"""The metrics as functions: the same numbers as the registry's, in types that name them."""

import doctest
import sys
from collections.abc import Callable
from itertools import product

import pytest

import services.metrics
from services.core.errors import InvalidRequestError
from services.metrics import (
    BoundaryRule,
    CaseRule,
    EntityCooccurrence,
    EntityCoverage,
    EntityF1,
    GeneratedEntitiesRule,
    NoPairsRule,
    PartialMatchRule,
    ScoringInput,
    ScoringOptions,
    TextAnalysis,
    TokenizerRule,
    Unscorable,
    UnscorableReason,
    bleu,
    corpus_bleu,
    entity_cooccurrence,
    entity_coverage,
    entity_f1,
    length,
    rouge,
    score_all,
)

CANDIDATE = "The Mona Lisa is a portrait by Leonardo. It is in the Louvre. The LOUVRE is in Paris."
REFERENCE = "The Mona Lisa was painted by Leonardo da Vinci. It hangs in the Louvre, in Paris."
ENTITIES = ["Mona Lisa", "Leonardo da Vinci", "Louvre", "Paris"]
OWN = ["Mona Lisa", "Leonardo", "LOUVRE"]
EVERY_OPTION = [
    ScoringOptions(*choice)
    for choice in product(
        CaseRule, BoundaryRule, TokenizerRule, PartialMatchRule, NoPairsRule, GeneratedEntitiesRule
    )
]


@pytest.mark.parametrize("make", [str, TextAnalysis])
def test_the_functions_give_the_registrys_numbers_under_every_option(
    make: Callable[[str], str | TextAnalysis],
) -> None:
    candidate, reference = make(CANDIDATE), make(REFERENCE)
    for options in EVERY_OPTION:
        own = OWN if options.generated_entities is GeneratedEntitiesRule.GIVEN else None
        item = ScoringInput(CANDIDATE, REFERENCE, ENTITIES, options, candidate_entities=own)
        names = ["ec_exact", "ec_partial", "ef1", "ecooc_0", "ecooc_1", "ecooc_2", "ecooc_inf"]
        exact, partial, f1, *windows = score_all(item, names)

        covered = entity_coverage(candidate, ENTITIES, options, own)
        assert covered == EntityCoverage(exact.value or 0, partial.value or 0)
        precision, recall = f1.statistics[:2]
        assert entity_f1(candidate, reference, ENTITIES, options, own) == EntityF1(
            f1.value or 0, precision, recall
        )
        together = entity_cooccurrence(candidate, reference, ENTITIES, options, own)
        assert together == EntityCooccurrence(*(window.outcome for window in windows))
        [tokens] = score_all(item, ["length"])
        assert length(candidate, options.tokenizer) == tokens.value


@pytest.mark.parametrize("make", [str, TextAnalysis])
def test_bleu_and_rouge_give_the_registrys_numbers(
    make: Callable[[str], str | TextAnalysis],
) -> None:
    candidate, reference = make(CANDIDATE), make(REFERENCE)
    names = ["bleu", "rouge_1", "rouge_2", "rouge_l"]
    one, *others = score_all(ScoringInput(CANDIDATE, REFERENCE), names)
    found = bleu(candidate, reference)
    assert (found.score, found.statistics) == (one.value, one.statistics)
    measures = rouge(candidate, reference)
    for score, measure in zip(
        others, (measures.rouge_1, measures.rouge_2, measures.rouge_l), strict=True
    ):
        assert (measure.f1, measure.precision, measure.recall) == (
            score.value,
            *score.statistics[:2],
        )


def test_corpus_bleu_takes_the_sums_of_statistics() -> None:
    # "a b c d" against itself and "x" against "a b c d": unigrams 4 of 5, bigrams 3 of 3, trigrams
    # 2 of 2, 4-grams 1 of 1; brevity exp(1 - 8/5). (4/5)^(1/4) * exp(-3/5) = 0.5190.
    results = [bleu("a b c d", "a b c d"), bleu("x", "a b c d")]
    sums = [sum(pair) for pair in zip(*(found.statistics for found in results), strict=True)]
    assert corpus_bleu(sums) == pytest.approx(0.5190, abs=1e-4)


def test_what_has_no_value_says_why() -> None:
    no_entities = Unscorable(UnscorableReason.NO_ENTITIES)
    assert entity_coverage("a", []) == no_entities
    assert entity_f1("a", "b", []) == no_entities
    assert entity_cooccurrence("a", "b", []) == EntityCooccurrence(*[no_entities] * 4)
    absent = Unscorable(UnscorableReason.ENTITIES_NOT_IN_REFERENCE)
    assert entity_f1("a", "b", ["a"]) == absent
    alone = Unscorable(UnscorableReason.NO_REFERENCE_PAIRS)
    assert entity_cooccurrence("a", "a", ["a"]) == EntityCooccurrence(*[alone] * 4)


def test_an_empty_candidate_scores_zero() -> None:
    assert entity_coverage("", ENTITIES) == EntityCoverage(0, 0)
    assert entity_f1("", REFERENCE, ENTITIES) == EntityF1(0, 0, 0)
    assert entity_cooccurrence("", REFERENCE, ENTITIES) == EntityCooccurrence(0, 0, 0, 0)
    assert bleu("", REFERENCE).score == 0
    assert rouge("", REFERENCE).rouge_l.f1 == 0
    assert length("") == 0


@pytest.mark.parametrize(
    "score",
    [
        lambda: entity_coverage("c", [" "]),
        lambda: entity_coverage("c", ["e", "e"]),
        lambda: entity_coverage("c", ["e"], candidate_entities=["e"]),
        lambda: entity_f1("c", " ", ["e"]),
        lambda: entity_cooccurrence("c", "", ["e"]),
        lambda: bleu("c", ""),
        lambda: rouge("c", "\n"),
    ],
)
def test_what_cannot_be_scored_is_refused(score: Callable[[], object]) -> None:
    with pytest.raises(InvalidRequestError, match="must"):
        score()


@pytest.mark.parametrize(
    "name",
    [
        *("bert_score", "bleu", "entity_cooccurrence", "entity_coverage", "entity_f1", "length"),
        *("length_penalty", "rouge", "score_all", "word_tokenize", "Aggregation"),
    ],
)
def test_whoever_calls_a_metric_finds_an_example_that_is_true(name: str) -> None:
    called = getattr(services.metrics, name)
    module = sys.modules[called.__module__]
    tests = doctest.DocTestFinder(recurse=False).find(called, name, module, vars(module).copy())
    runner = doctest.DocTestRunner()
    results = [runner.run(test) for test in tests]
    assert sum(result.attempted for result in results) > 0
    assert sum(result.failed for result in results) == 0
    assert name in services.metrics.__all__
