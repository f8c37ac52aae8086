"""Equality with the libraries whose numbers people compare with."""

import random
from collections.abc import Iterator
from importlib.metadata import version

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer
from rouge_score import rouge_scorer
from sacrebleu.metrics.bleu import BLEU

from services.metrics import METRICS, ScoringInput, aggregate, score_all
from services.metrics.rouge import ROUGE_SCORE_VERSION
from services.metrics.tokens import nltk_parameters, sentence_spans, word_tokenize

PAIR_COUNT = 2000

ATOMS = (
    *("the", "The", "a", "painting", "was", "made", "in", "by", "Mondrian", "Bach", "He", "art"),
    *(
        "cannot",
        "CANNOT",
        "gonna",
        "wanna",
        "'tis",
        "more'n",
        "d'ye",
        "gimme",
        "it's",
        "don't",
        "n't",
    ),
    *("'s", "'", '"', "''", "``", "`", ".", "..", "...", "!", "?", ",", ":", ";", "-", "--", "/"),
    *("\u2014", "\u2013", "\u201c", "\u201d", "\u2018", "\u2019", "\u00ab", "\u00bb", "\u2011"),
    *("(", ")", "[", "]", "{", "}", "<", ">", "*", "&", "&amp;", "&quot;", "#", "$", "%", "@"),
    *("3", "3.14", "1,000", "No.", "St.", "U.S.", "e.g.", "Dr.", "J.", "S.", "1920s", "5-6"),
    *(" ", "  ", "\n", "\t", "\u00a0", "\u3000", "-\n", "<skipped>"),
    *("\u00e9", "e\u0301", "\ufb01", "\u8499\u5a1c", "\u0444", "\u0130", "\u00df"),
)


def random_text(rng: random.Random) -> str:
    glue = rng.choice((" ", " ", ""))
    return glue.join(rng.choice(ATOMS) for _ in range(rng.randint(0, 60)))


def text_pairs() -> Iterator[tuple[str, str]]:
    """Random and adversarial pairs; every third candidate is an edited copy of its reference."""
    rng = random.Random(20240229)
    produced = 0
    while produced < PAIR_COUNT:
        reference = random_text(rng)
        if not reference.strip():
            continue
        candidate = random_text(rng)
        if produced % 3 == 0:
            words = reference.split(" ")
            rng.shuffle(words) if produced % 2 else words.pop(rng.randrange(len(words)))
            candidate = " ".join(words)
        produced += 1
        yield candidate, reference


def test_bleu_equals_sacrebleu_for_sentences_and_for_the_corpus() -> None:
    pairs = list(text_pairs())
    sentence = BLEU(effective_order=True)
    scores = []
    for candidate, reference in pairs:
        [score] = score_all(ScoringInput(candidate, reference), ["bleu"])
        expected = sentence.sentence_score(candidate, [reference]).score / 100
        assert score.value == pytest.approx(expected, abs=1e-9), (candidate, reference)
        scores.append(score)

    corpus = sacrebleu.corpus_bleu([c for c, _ in pairs], [[r for _, r in pairs]]).score / 100

    assert aggregate(scores).corpus_value == pytest.approx(corpus, abs=1e-9)


def test_rouge_equals_rouge_score() -> None:
    assert version("rouge-score") == ROUGE_SCORE_VERSION
    names = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
    scorer = rouge_scorer.RougeScorer(list(names.values()))
    for candidate, reference in text_pairs():
        expected = scorer.score(reference, candidate)
        for score in score_all(ScoringInput(candidate, reference), list(names)):
            wanted = expected[names[score.metric]]
            assert score.value == pytest.approx(wanted.fmeasure, abs=1e-12), (candidate, reference)
            assert score.statistics[:2] == pytest.approx((wanted.precision, wanted.recall))
            assert METRICS[score.metric].statistic_names[:2] == ("precision", "recall")


_splitter = PunktSentenceTokenizer(nltk_parameters())
_nltk_words = NLTKWordTokenizer()


def assert_tokens_are_nltks(text: str) -> None:
    sentences = _splitter.tokenize(text)
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences
    assert word_tokenize(text) == [w for s in sentences for w in _nltk_words.tokenize(s)]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(ATOMS), max_size=40).map("".join))
def test_tokens_and_sentences_of_hard_texts_equal_nltks(text: str) -> None:
    assert_tokens_are_nltks(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_tokens_and_sentences_of_any_text_equal_nltks(text: str) -> None:
    assert_tokens_are_nltks(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([a for a in ATOMS if a.isalnum()]), min_size=1, max_size=6))
def test_tokens_of_plain_words_equal_nltks(words: list[str]) -> None:
    assert_tokens_are_nltks(" ".join(words))
