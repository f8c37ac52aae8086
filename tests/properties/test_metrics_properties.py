"""What must hold of the metrics for any text."""

import math
from dataclasses import astuple
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize import WhitespaceTokenizer, WordPunctTokenizer
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer

from services.metrics import (
    METRICS,
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    NoPairsRule,
    PartialMatchRule,
    ScoringInput,
    ScoringOptions,
    TokenizerRule,
    Unscorable,
    length_penalty,
    score_all,
)
from services.metrics.fake_encoder import FakeEncoder
from services.metrics.matching import normalise_entity
from services.metrics.sentences import nltk_parameters
from tests.properties import plain_entity_metrics as plain

NAMES = (
    "Mona Lisa",
    "Leonardo da Vinci",
    "Leonardo",
    "Lisa",
    "Louvre",
    "Paris",
    "No. 5",
    "De Stijl",
    "LOUVRE",
    "Lisa del Giocondo",
    "Mona",
    "C++",
    "(Untitled)",
    "art art",
    "Musée d'Orsay",
)
FILLERS = (
    "the",
    "painting",
    "hangs",
    "in",
    "and",
    "by",
    "of",
    "art",
    "Louvres",
    "mona",
    "LOUVRE",
    ",",
)
OPTIONS = [
    ScoringOptions(*choice)
    for choice in product(
        CaseRule, BoundaryRule, TokenizerRule, PartialMatchRule, NoPairsRule, GeneratedEntitiesRule
    )
]


def named(options: ScoringOptions) -> list[str]:
    return [value for value in astuple(options) if value]


def is_given(options: ScoringOptions) -> bool:
    return options.generated_entities is GeneratedEntitiesRule.GIVEN


def make_input(
    candidate: str,
    reference: str,
    entities: list[str],
    options: ScoringOptions,
    recognised: list[str],
) -> ScoringInput:
    """An item with the candidate's own entities where the options ask for them."""
    given = recognised if is_given(options) else None
    return ScoringInput(
        candidate, reference, entities, options, FakeEncoder(), candidate_entities=given
    )


def _sentence(parts: list[str], mark: str) -> str:
    return "It is " + " ".join(parts) + mark


sentences = st.builds(
    _sentence,
    st.lists(st.sampled_from(NAMES + FILLERS), min_size=1, max_size=8),
    st.sampled_from([".", "!", "?"]),
)
texts = st.lists(sentences, min_size=1, max_size=6).map(" ".join)
entity_lists = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)
recognised_lists = st.lists(st.sampled_from(NAMES), max_size=6, unique=True)
options = st.sampled_from(OPTIONS)
anything = st.text(max_size=200)
# Entities of nothing visible are refused.
visible = st.text(min_size=1, max_size=30).filter(lambda text: normalise_entity(text) != "")
visible_lists = st.lists(visible, max_size=5, unique=True)
something = anything.filter(lambda text: text.strip() != "")

_splitter = PunktSentenceTokenizer(nltk_parameters())
_words = NLTKWordTokenizer()


def nltk_spans(text: str) -> list[tuple[int, int]]:
    return list(_splitter.span_tokenize(text))


def nltk_word_tokenize(text: str) -> list[str]:
    return [word for start, end in nltk_spans(text) for word in _words.tokenize(text[start:end])]


SPLITS = {
    TokenizerRule.NLTK: nltk_word_tokenize,
    TokenizerRule.WORDPUNCT: WordPunctTokenizer().tokenize,
    TokenizerRule.WHITESPACE: WhitespaceTokenizer().tokenize,
}


@pytest.mark.parametrize("choice", OPTIONS, ids=lambda options: "-".join(map(str, named(options))))
@settings(max_examples=12, deadline=None)
@given(texts, texts, entity_lists, recognised_lists)
def test_entity_metrics_equal_the_plainly_written_ones(
    choice: ScoringOptions,
    candidate: str,
    reference: str,
    entities: list[str],
    recognised: list[str],
) -> None:
    fold = choice.case is CaseRule.INSENSITIVE
    word = choice.boundary is BoundaryRule.WORD
    split = SPLITS[choice.tokenizer]
    of_reference = plain.distinct(entities, fold=fold)
    given = plain.distinct(recognised, fold=fold) if is_given(choice) else None
    mentioned = [
        e for e in of_reference if plain.mentioned(e, candidate, given, fold=fold, word=word)
    ]
    in_full = choice.partial_match is PartialMatchRule.EXACT_OR_TOKEN_LCS
    expected = {
        "ec_exact": plain.coverage(of_reference, candidate, fold=fold, word=word, given=given),
        "ec_partial": plain.partial_coverage(
            of_reference,
            candidate,
            split,
            fold=fold,
            given=given,
            whole=mentioned if in_full else (),
        ),
        "ef1": plain.f1(of_reference, candidate, reference, fold=fold, word=word, given=given),
        "length": float(len(split(candidate))),
    }
    for suffix, radius in (("0", 0), ("1", 1), ("2", 2), ("inf", math.inf)):
        expected[f"ecooc_{suffix}"] = plain.cooccurrence(
            plain.pairs(mentioned, candidate, radius, nltk_spans, fold=fold, word=word),
            plain.pairs(of_reference, reference, radius, nltk_spans, fold=fold, word=word),
            len(split(candidate)),
            len(split(reference)),
            zero=choice.no_pairs is NoPairsRule.ZERO,
        )

    item = make_input(candidate, reference, entities, choice, recognised)
    scores = score_all(item, list(expected))

    for score in scores:
        wanted = expected[score.metric]
        if wanted is None or score.value is None:
            assert score.value is wanted, score
        else:
            assert math.isclose(score.value, wanted, abs_tol=1e-12), (score, wanted)


@settings(max_examples=200, deadline=None)
@given(anything, something, visible_lists, options, visible_lists)
def test_every_value_is_in_its_range_for_any_text(
    candidate: str,
    reference: str,
    entities: list[str],
    choice: ScoringOptions,
    recognised: list[str],
) -> None:
    item = make_input(candidate, reference, entities, choice, recognised)
    for score in score_all(item, list(METRICS)):
        metric = METRICS[score.metric]
        assert len(score.statistics) == len(metric.statistic_names)
        assert all(math.isfinite(value) and value >= 0 for value in score.statistics)
        if not isinstance(score.outcome, Unscorable):
            assert metric.min_value <= score.outcome <= metric.max_value
            assert math.isfinite(score.outcome)


@settings(max_examples=100, deadline=None)
@given(texts, entity_lists, options)
def test_a_text_scored_against_itself_has_all_that_it_can_have(
    text: str, entities: list[str], choice: ScoringOptions
) -> None:
    item = make_input(text, text, entities, choice, entities)
    # The coverages are left out: entities that the text lacks are missing from it, too.
    names = [n for n in METRICS if n.startswith(("bleu", "rouge", "ef1", "ecooc", "length_"))]
    without_pairs = choice.no_pairs is NoPairsRule.ZERO
    for score in score_all(item, names):
        if without_pairs and score.metric.startswith("ecooc") and not score.statistics[2]:
            assert score.value == 0
        else:
            assert score.value is None or math.isclose(score.value, 1.0), score


@settings(max_examples=100, deadline=None)
@given(texts, texts, entity_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_entities_does_not_matter(
    candidate: str, reference: str, entities: list[str], random: object
) -> None:
    shuffled = list(entities)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    names = [name for name in METRICS if name.startswith("e")]
    one = score_all(ScoringInput(candidate, reference, entities), names)
    other = score_all(ScoringInput(candidate, reference, shuffled), names)
    for left, right in zip(one, other, strict=True):
        if left.value is None or right.value is None:
            assert left == right
        else:
            assert math.isclose(left.value, right.value)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 10_000))
def test_the_length_penalty_falls_with_length_and_spares_the_short(
    one: int, other: int, reference: int
) -> None:
    shorter, longer = sorted((one, other))
    assert 0 <= length_penalty(longer, reference) <= length_penalty(shorter, reference) <= 1
    if shorter <= reference:
        assert length_penalty(shorter, reference) == 1
