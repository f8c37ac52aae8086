"""BERTScore over embeddings that are given."""

import math
from collections.abc import Collection, Sequence

import numpy as np
import pytest

from services.core.errors import InvalidRequestError, MetricUnavailableError
from services.metrics import (
    METRICS,
    BertScore,
    ScoringInput,
    ScoringOptions,
    TextAnalysis,
    TokenEmbeddings,
    bert_score,
    find_metrics,
    prime,
    score_all,
)
from services.metrics.bertscore import match_tokens
from services.metrics.fake_encoder import FakeEncoder


def plane(*degrees: float, weights: tuple[float, ...] | None = None) -> TokenEmbeddings:
    """One token for each angle in the plane: the cosine of two is that of their difference."""
    radians = np.radians(np.array(degrees, np.float32))
    vectors = np.stack((np.cos(radians), np.sin(radians)), axis=1).astype(np.float32)
    given = (1.0,) * len(degrees) if weights is None else weights
    return TokenEmbeddings(vectors, np.array(given, np.float32), truncated=False)


def test_each_token_counts_with_its_closest_counterpart() -> None:
    # Of the candidate, 0 and 90 degrees: the closest is 0 (cosine 1) and 60 (cosine of 30 degrees).
    # Of the reference, 0 and 60: 0 (cosine 1) and 90 (cosine of 30 degrees). All means are alike.
    found = match_tokens(plane(0, 90), plane(0, 60))
    mean = (1 + math.sqrt(3) / 2) / 2
    assert (found.precision, found.recall, found.f1) == pytest.approx((mean, mean, mean))


def test_the_value_is_the_harmonic_mean_of_precision_and_recall() -> None:
    # Candidate 0; reference 0 and 90. P = 1, R = (1 + 0) / 2, F = 2 * 1 * 0.5 / 1.5.
    found = match_tokens(plane(0), plane(0, 90))
    assert (found.precision, found.recall, found.f1) == pytest.approx((1, 1 / 2, 2 / 3))


def test_special_tokens_are_matched_and_count_in_no_mean() -> None:
    # The candidate's token at 90 degrees meets the reference's special token: P = 1. Its own
    # special token is in no mean, and the reference's token at 0 has only 90 degrees to meet,
    # and the special token at 60: R = cos 60 = 1/2.
    candidate = plane(60, 90, weights=(0, 1))
    reference = plane(90, 0, weights=(0, 1))
    found = match_tokens(candidate, reference)
    assert (found.precision, found.recall) == pytest.approx((1, 1 / 2), abs=1e-6)


def test_a_best_cosine_below_zero_counts_zero() -> None:
    # Candidate 0 and 180, reference 0: P = (1 + 0) / 2, not (1 - 1) / 2.
    found = match_tokens(plane(0, 180), plane(0))
    assert (found.precision, found.recall, found.f1) == pytest.approx((1 / 2, 1, 2 / 3))
    assert match_tokens(plane(180), plane(0)).f1 == 0


def test_a_text_without_a_token_of_its_own_scores_zero() -> None:
    empty = plane(0, 0, weights=(0, 0))
    zero = BertScore(0.0, 0.0, 0.0, candidate_truncated=False, reference_truncated=False)
    assert match_tokens(empty, plane(0)) == zero
    assert match_tokens(plane(0), empty) == zero


def test_rounding_carries_no_value_above_one() -> None:
    long_vector = TokenEmbeddings(
        np.array([[1.0000001]], np.float32), np.array([1], np.float32), truncated=False
    )
    found = match_tokens(long_vector, long_vector)
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)


def test_the_library_function_encodes_both_texts_at_once_and_keeps_the_reference() -> None:
    calls: list[tuple[list[str], list[str]]] = []

    class Watched(FakeEncoder):
        def encode(self, texts: Sequence[str], keep: Collection[str] = ()) -> list[TokenEmbeddings]:
            calls.append((list(texts), list(keep)))
            return super().encode(texts)

    bert_score("a picture", "the picture", Watched())
    assert calls == [(["the picture", "a picture"], ["the picture"])]
    # Equal texts are embedded once.
    found = bert_score("a picture", "a picture", Watched())
    assert calls[1:] == [(["a picture"], ["a picture"])]
    assert (found.precision, found.recall, found.f1) == pytest.approx((1, 1, 1))


def test_the_metric_gives_f1_and_the_rest_as_statistics() -> None:
    encoder = FakeEncoder(max_words=2)
    [score] = score_all(ScoringInput("one two three", "one two", encoder=encoder), ["bertscore"])
    found = bert_score("one two three", "one two", encoder)
    assert METRICS["bertscore"].statistic_names == (
        "precision",
        "recall",
        "candidate_truncated",
        "reference_truncated",
    )
    assert score.value == found.f1
    assert score.statistics == (found.precision, found.recall, 1.0, 0.0)


def test_the_encoder_is_in_the_signature() -> None:
    [score] = score_all(ScoringInput("a", "a", encoder=FakeEncoder(7)), ["bertscore"])
    assert score.signature == (
        "bertscore|encoder:fake|words:7|measure:f1|idf:no|rescale:no|like:bert_score-0.3.13"
        "|rules:expart-1"
    )
    [other] = score_all(ScoringInput("a", "a", encoder=FakeEncoder(8)), ["bertscore"])
    assert other.signature != score.signature


def test_the_encoder_is_in_no_other_metrics_signature() -> None:
    without = {score.metric: score for score in score_all(ScoringInput("a", "a", ["a"]))}
    found = score_all(ScoringInput("a", "a", ["a"], encoder=FakeEncoder()))
    assert {score.metric for score in found} - set(without) == {"bertscore"}
    assert all(score == without[score.metric] for score in found if score.metric != "bertscore")


def test_the_options_name_the_encoder_that_is_there_and_no_other() -> None:
    claimed = ScoringOptions(encoder="another")
    assert ScoringInput("a", "a", (), claimed).options.encoder == ""
    item = ScoringInput("a", "a", (), claimed, FakeEncoder(7))
    assert item.options.encoder == "fake|words:7"


def test_without_an_encoder_it_is_no_default_and_asking_for_it_says_what_to_do() -> None:
    assert "bertscore" not in [score.metric for score in score_all(ScoringInput("a", "a"))]
    with pytest.raises(MetricUnavailableError, match="EXPART_SCORING_ENCODER"):
        score_all(ScoringInput("a", "a"), ["bertscore"])
    with pytest.raises(MetricUnavailableError, match="EXPART_SCORING_ENCODER"):
        METRICS["bertscore"].score(ScoringInput("a", "a"))


def test_metrics_are_found_by_what_the_options_name() -> None:
    with_encoder = ScoringOptions(encoder="some|layer:1")
    assert [metric.name for metric in find_metrics(["bertscore"], with_encoder)] == ["bertscore"]
    assert METRICS["bertscore"] in find_metrics([], with_encoder)
    assert METRICS["bertscore"] not in find_metrics([])
    with pytest.raises(MetricUnavailableError):
        find_metrics(["bleu", "bertscore"])


def test_priming_encodes_every_text_once_and_scoring_asks_no_more() -> None:
    encoder = FakeEncoder()
    reference = TextAnalysis("the reference")
    items = [ScoringInput(text, reference, encoder=encoder) for text in ("one", "two", "one", "")]

    prime(items)

    assert sorted(encoder.encoded) == ["", "one", "the reference", "two"]
    primed = [score_all(item, ["bertscore"]) for item in items]
    prime(items)
    assert len(encoder.encoded) == 4
    alone = [
        score_all(ScoringInput(item.candidate, reference, encoder=encoder), ["bertscore"])
        for item in items
    ]
    assert primed == alone


def test_priming_keeps_encoders_apart_and_leaves_items_without_one() -> None:
    short, long = FakeEncoder(1), FakeEncoder(2)
    items = [
        ScoringInput("a b", "a c", encoder=short),
        ScoringInput("a b", "a c", encoder=long),
        ScoringInput("x", "y"),
    ]

    prime(items)

    assert items[2].embeddings is None
    first, second = (score_all(item, ["bertscore"])[0] for item in items[:2])
    assert first.value == pytest.approx(1)  # of each text the first word only
    assert second.value is not None
    assert second.value < 1


def test_a_blank_reference_is_refused_before_anything_is_embedded() -> None:
    encoder = FakeEncoder()
    with pytest.raises(InvalidRequestError, match="reference must not be blank"):
        bert_score("a picture", " \n", encoder)
    assert encoder.encoded == []


def test_texts_may_be_analysed_already() -> None:
    texts = ("a picture of Paris", "a view of Paris")
    expected = bert_score(*texts, FakeEncoder())
    assert bert_score(*map(TextAnalysis, texts), FakeEncoder()) == expected
    assert 0 < expected.f1 < 1
