"""From scores to the numbers of a report."""

import math
from dataclasses import replace

import pytest

from services.metrics import (
    METRICS,
    Aggregation,
    CaseRule,
    NoPairsConvention,
    Score,
    ScoringInput,
    ScoringOptions,
    Unscorable,
    UnscorableReason,
    aggregate,
    score_all,
)

ITEMS = [
    # Candidate, reference and entities of each.
    ("In Paris.", "Paris and Rome.", ["Paris", "Rome"]),
    ("Paris and Rome.", "Paris and Rome.", ["Paris", "Rome"]),
    ("In Paris.", "In Paris.", ["Paris"]),
    ("In Paris.", "A town.", []),
]


def scores(metric: str) -> list[Score]:
    return [score_all(ScoringInput(*item), [metric])[0] for item in ITEMS]


def test_the_mean_is_over_scorable_items_and_the_others_are_counted() -> None:
    # Coverage 1/2, 1, 1 and one item without entities; micro: 1 + 2 + 1 of 2 + 2 + 1.
    found = aggregate(scores("ec_exact"))
    assert found.mean == pytest.approx((0.5 + 1 + 1) / 3)
    assert found.corpus_value == pytest.approx(4 / 5)
    assert found.scored_count == 3
    assert found.unscorable_counts == {UnscorableReason.NO_ENTITIES: 1}
    assert found.statistics == (4, 5)
    assert found.signature.endswith("|mean:macro")


def test_items_without_pairs_are_left_out_or_count_as_zero() -> None:
    # Co-occurrence 0, 1; the third item has one entity and so no pair.
    left_out = aggregate(scores("ecooc_inf"))
    as_zero = aggregate(scores("ecooc_inf"), NoPairsConvention.COUNT_AS_ZERO)
    assert (left_out.mean, left_out.scored_count) == (pytest.approx(1 / 2), 2)
    assert (as_zero.mean, as_zero.scored_count) == (pytest.approx(1 / 3), 3)
    assert left_out.unscorable_counts == {
        UnscorableReason.NO_REFERENCE_PAIRS: 1,
        UnscorableReason.NO_ENTITIES: 1,
    }
    assert as_zero.unscorable_counts == {UnscorableReason.NO_ENTITIES: 1}
    assert "|nopairs:unscorable|" in left_out.signature
    assert "|nopairs:zero|" in as_zero.signature


def test_the_micro_f1_is_that_of_the_summed_counts() -> None:
    # Clipped 1 + 2 + 1 = 4; candidate 1 + 2 + 1 = 4; reference 2 + 2 + 1 = 5: F1 = 8/9.
    assert aggregate(scores("ef1")).corpus_value == pytest.approx(8 / 9)


def test_the_corpus_length_penalty_is_that_of_the_summed_lengths() -> None:
    # Candidate tokens 3 + 4 + 3 + 3 = 13, reference tokens 4 + 4 + 3 + 3 = 14: no penalty.
    assert aggregate(scores("length_penalty")).corpus_value == 1.0
    doubled = [score_all(ScoringInput("a b", "a"), ["length_penalty"])[0]] * 3
    assert aggregate(doubled).corpus_value == pytest.approx(math.exp(-1))


def test_length_has_a_mean_and_no_corpus_value() -> None:
    found = aggregate(scores("length"))
    assert found.mean == pytest.approx((3 + 4 + 3 + 3) / 4)
    assert found.corpus_value is None
    assert found.corpus_signature is None


def test_nothing_scorable_means_no_number() -> None:
    found = aggregate(scores("ef1")[-1:])
    assert (found.mean, found.corpus_value, found.scored_count) == (None, None, 0)


def test_corpus_bleu_is_signed_as_what_it_is() -> None:
    # "a b" has no n-gram of order 3 or 4. A sentence leaves these orders out, so that only brevity
    # counts: exp(1 - 3/2). A corpus keeps all four, and an empty one makes it 0.
    [score] = score_all(ScoringInput("a b", "a b c"), ["bleu"])
    found = aggregate([score])
    assert found.mean == pytest.approx(math.exp(-1 / 2))
    assert found.corpus_value == 0
    assert "|eff:yes|" in found.signature
    assert found.signature == f"{score.signature}|mean:macro"
    assert found.corpus_signature is not None
    assert "|eff:no|" in found.corpus_signature
    assert found.corpus_signature.endswith("|mean:corpus")


@pytest.mark.parametrize("convention", NoPairsConvention)
def test_a_micro_mean_is_signed_alike_whatever_becomes_of_items_without_pairs(
    convention: NoPairsConvention,
) -> None:
    # Its sums are the same under both conventions: 1 pair found of 2.
    items = scores("ecooc_inf")
    found = aggregate(items, convention)
    assert found.corpus_value == pytest.approx(1 / 2)
    assert found.corpus_signature == f"{items[0].signature}|mean:micro"


# Corpus BLEU has no effective order; BERTScore and length have no corpus value.
@pytest.mark.parametrize(
    "metric", [name for name in METRICS if name not in ("bertscore", "bleu", "length")]
)
def test_the_corpus_value_of_one_item_is_its_value(metric: str) -> None:
    item = ScoringInput(
        "The Louvre is in Paris, he says.", "Paris has the Louvre.", ["Louvre", "Paris"]
    )
    [score] = score_all(item, [metric])
    assert aggregate([score]).corpus_value == pytest.approx(score.value)


def test_scores_of_different_signatures_are_never_averaged() -> None:
    item = ("Paris", "Paris", ["Paris"])
    [one] = score_all(ScoringInput(*item), ["ef1"])
    [other] = score_all(ScoringInput(*item, ScoringOptions(CaseRule.INSENSITIVE)), ["ef1"])
    with pytest.raises(ValueError, match=r"case:sensitive.* and .*case:insensitive"):
        aggregate([one, other])


def test_no_score_is_no_aggregate() -> None:
    with pytest.raises(ValueError, match="no score"):
        aggregate([])


def bad_scores() -> dict[str, Score]:
    [good] = score_all(ScoringInput("Paris", "Paris", ["Paris"]), ["ef1"])
    nan, infinity = float("nan"), float("inf")
    return {
        "not finite: .nan": replace(good, outcome=nan),
        "not finite: .-inf": replace(good, outcome=-infinity),
        "not finite: .*inf": replace(good, statistics=(*good.statistics[:-1], infinity)),
        "not finite: .*nan": replace(
            good,
            outcome=Unscorable(UnscorableReason.NO_ENTITIES),
            statistics=(nan, *good.statistics[1:]),
        ),
        "5 statistics instead of 6": replace(good, statistics=good.statistics[1:]),
        "7 statistics instead of 6": replace(good, statistics=(*good.statistics, 1.0)),
        "is of no metric that there is: bleu, ": replace(good, metric="ef2"),
    }


@pytest.mark.parametrize("message", bad_scores())
@pytest.mark.parametrize("good_before", [0, 1, 300])
def test_a_score_that_is_refused_leaves_the_aggregation_as_it_was(
    message: str, good_before: int
) -> None:
    # 300 are more than are summed up at once.
    [good] = score_all(ScoringInput("Paris", "Paris, Paris", ["Paris"]), ["ef1"])
    bad = bad_scores()[message]
    running = Aggregation()
    for _ in range(good_before):
        running.add(good)
    for _ in range(2):
        with pytest.raises(ValueError, match=message) as caught:
            running.add(bad)
        assert f"the score of {bad.metric} ({bad.signature})" in str(caught.value)
    running.add(good)
    assert running.result() == aggregate([good] * (good_before + 1))


def test_a_score_of_another_kind_leaves_the_aggregation_as_it_was() -> None:
    [good, other] = score_all(ScoringInput("Paris", "Paris", ["Paris"]), ["ef1", "ec_exact"])
    running = Aggregation()
    running.add(good)
    with pytest.raises(ValueError, match="different kinds"):
        running.add(other)
    assert running.result() == aggregate([good])
