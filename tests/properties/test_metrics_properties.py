"""What must hold of the metrics for any text."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer

from services.metrics import (
    METRICS,
    BoundaryRule,
    CaseRule,
    ScoringInput,
    ScoringOptions,
    Unscorable,
    length_penalty,
    score_all,
)
from services.metrics.fake_encoder import FakeEncoder
from services.metrics.tokens import nltk_parameters
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
OPTIONS = [ScoringOptions(case, boundary) for case in CaseRule for boundary in BoundaryRule]


def _sentence(parts: list[str], mark: str) -> str:
    return "It is " + " ".join(parts) + mark


sentences = st.builds(
    _sentence,
    st.lists(st.sampled_from(NAMES + FILLERS), min_size=1, max_size=8),
    st.sampled_from([".", "!", "?"]),
)
texts = st.lists(sentences, min_size=1, max_size=6).map(" ".join)
entity_lists = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)
options = st.sampled_from(OPTIONS)
anything = st.text(max_size=200)
# Entities of nothing but invisible characters count as blank and are refused.
visible = st.text(min_size=1, max_size=30).filter(
    lambda text: any(c not in "\u00ad\u200b\u2060\ufeff" and not c.isspace() for c in text)
)
something = anything.filter(lambda text: text.strip() != "")

_splitter = PunktSentenceTokenizer(nltk_parameters())
_words = NLTKWordTokenizer()


def nltk_spans(text: str) -> list[tuple[int, int]]:
    return list(_splitter.span_tokenize(text))


def nltk_word_tokenize(text: str) -> list[str]:
    return [word for start, end in nltk_spans(text) for word in _words.tokenize(text[start:end])]


@settings(max_examples=150, deadline=None)
@given(texts, texts, entity_lists, options)
def test_entity_metrics_equal_the_plainly_written_ones(
    candidate: str, reference: str, entities: list[str], choice: ScoringOptions
) -> None:
    fold = choice.case is CaseRule.INSENSITIVE
    word = choice.boundary is BoundaryRule.WORD
    expected = {
        "ec_exact": plain.coverage(entities, candidate, fold=fold, word=word),
        "ec_partial": plain.partial_coverage(entities, candidate, nltk_word_tokenize, fold=fold),
        "ef1": plain.f1(entities, candidate, reference, fold=fold, word=word),
    }
    for suffix, radius in (("0", 0), ("1", 1), ("2", 2), ("inf", math.inf)):
        expected[f"ecooc_{suffix}"] = plain.cooccurrence(
            plain.pairs(entities, candidate, radius, nltk_spans, fold=fold, word=word),
            plain.pairs(entities, reference, radius, nltk_spans, fold=fold, word=word),
            len(nltk_word_tokenize(candidate)),
            len(nltk_word_tokenize(reference)),
        )

    scores = score_all(ScoringInput(candidate, reference, entities, choice), list(expected))

    for score in scores:
        wanted = expected[score.metric]
        if wanted is None or score.value is None:
            assert score.value is wanted, score
        else:
            assert math.isclose(score.value, wanted, abs_tol=1e-12), (score, wanted)


@settings(max_examples=200, deadline=None)
@given(anything, something, st.lists(visible, max_size=5, unique=True), options)
def test_every_value_is_in_its_range_for_any_text(
    candidate: str, reference: str, entities: list[str], choice: ScoringOptions
) -> None:
    item = ScoringInput(candidate, reference, entities, choice, FakeEncoder())
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
    item = ScoringInput(text, text, entities, choice)
    # The coverages are left out: entities that the text lacks are missing from it, too.
    names = [n for n in METRICS if n.startswith(("bleu", "rouge", "ef1", "ecooc", "length_"))]
    for score in score_all(item, names):
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
