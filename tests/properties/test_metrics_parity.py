"""Equality with the libraries whose numbers people compare with."""

from importlib.metadata import version

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer
from rouge_score import rouge_scorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from services.metrics import METRICS, Score, ScoringInput, aggregate, score_all
from services.metrics.bleu import tokenize_13a
from services.metrics.rouge import ROUGE_SCORE_VERSION
from services.metrics.tokens import nltk_parameters, sentence_spans, word_tokenize, words
from tests.properties import hard_texts
from tests.properties.hard_texts import ATOMS

PAIR_COUNT = 3000
TEXT_COUNT = 6000

ROUGE_NAMES = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}

hard = st.lists(st.sampled_from(ATOMS), max_size=40).map("".join)
anything = st.text(max_size=80)

_sentence_bleu = BLEU(effective_order=True)
_rouge = rouge_scorer.RougeScorer(list(ROUGE_NAMES.values()))
_splitter = PunktSentenceTokenizer(nltk_parameters())
_nltk_words = NLTKWordTokenizer()


def assert_bleu_is_sacrebleus(candidate: str, reference: str) -> Score:
    [score] = score_all(ScoringInput(candidate, reference), ["bleu"])
    expected = _sentence_bleu.sentence_score(candidate, [reference])
    # sacreBLEU's rounding may carry a perfect score above 100; ours is cut there.
    assert score.value == min(expected.score / 100, 1.0), (candidate, reference)
    lengths = (expected.sys_len, expected.ref_len)
    assert score.statistics == (*lengths, *expected.counts, *expected.totals)
    return score


def assert_rouge_is_rouge_scores(candidate: str, reference: str) -> None:
    expected = _rouge.score(reference, candidate)
    for score in score_all(ScoringInput(candidate, reference), list(ROUGE_NAMES)):
        wanted = expected[ROUGE_NAMES[score.metric]]
        assert score.value == pytest.approx(wanted.fmeasure, abs=1e-12), (candidate, reference)
        assert score.statistics[:2] == pytest.approx((wanted.precision, wanted.recall))
        assert METRICS[score.metric].statistic_names[:2] == ("precision", "recall")


def test_bleu_equals_sacrebleu_for_sentences_and_for_the_corpus() -> None:
    pairs = list(hard_texts.pairs(PAIR_COUNT, seed=20240229))
    scores = [assert_bleu_is_sacrebleus(*pair) for pair in pairs]

    candidates, references = zip(*pairs, strict=True)
    corpus = BLEU().corpus_score(candidates, [references]).score / 100

    assert 0 < corpus < 1
    assert aggregate(scores).corpus_value == corpus


@settings(max_examples=300, deadline=None)
@given(hard, hard.filter(lambda text: text.strip() != ""))
def test_bleu_of_hard_texts_equals_sacrebleus(candidate: str, reference: str) -> None:
    assert_bleu_is_sacrebleus(candidate, reference)


@pytest.mark.parametrize("words_each", [1, 2, 3])
def test_a_corpus_of_texts_without_fourgrams_has_bleu_0_as_in_sacrebleu(words_each: int) -> None:
    text = " ".join("abc"[:words_each])
    [score] = score_all(ScoringInput(text, text), ["bleu"])
    assert BLEU().corpus_score([text], [[text]]).score == 0
    assert aggregate([score]).corpus_value == 0


def test_13a_tokens_of_hard_texts_equal_sacrebleus() -> None:
    sacrebleus = Tokenizer13a()
    for text in hard_texts.texts(TEXT_COUNT, seed=13):
        assert tokenize_13a(text) == sacrebleus(text.rstrip()).split(), text


def test_rouge_equals_rouge_score() -> None:
    assert version("rouge-score") == ROUGE_SCORE_VERSION
    for candidate, reference in hard_texts.pairs(PAIR_COUNT, seed=20240301):
        assert_rouge_is_rouge_scores(candidate, reference)


@settings(max_examples=200, deadline=None)
@given(anything, anything.filter(lambda text: text.strip() != ""))
def test_rouge_of_any_text_equals_rouge_scores(candidate: str, reference: str) -> None:
    assert_rouge_is_rouge_scores(candidate, reference)


def assert_tokens_are_nltks(text: str) -> None:
    sentences = _splitter.tokenize(text)
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences
    assert word_tokenize(text) == [w for s in sentences for w in _nltk_words.tokenize(s)]


def test_tokens_and_sentences_of_thousands_of_hard_texts_equal_nltks() -> None:
    for text in hard_texts.texts(TEXT_COUNT, seed=20240302):
        assert_tokens_are_nltks(text)
        assert words(text) == _nltk_words.tokenize(text), text  # as one sentence, whatever it holds


@settings(max_examples=500, deadline=None)
@given(hard)
def test_tokens_and_sentences_of_hard_texts_equal_nltks(text: str) -> None:
    assert_tokens_are_nltks(text)


@settings(max_examples=300, deadline=None)
@given(anything)
def test_tokens_and_sentences_of_any_text_equal_nltks(text: str) -> None:
    assert_tokens_are_nltks(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([a for a in ATOMS if a.isalnum()]), min_size=1, max_size=6))
def test_tokens_of_plain_words_equal_nltks(plain_words: list[str]) -> None:
    assert_tokens_are_nltks(" ".join(plain_words))
