"""What the statistics suffice for: numbers over any sample of the items, without their texts."""

import random
from functools import partial

import pytest
import sacrebleu

from services.metrics import (
    METRICS,
    Aggregation,
    NoPairsConvention,
    Score,
    ScoringInput,
    TextAnalysis,
    Unscorable,
    aggregate,
    score_all,
)
from tests.properties import plain_entity_metrics as plain

ENTITIES = ["Piet Mondrian", "Mondrian", "Paris", "De Stijl", "Amsterdam"]
WORDS = [*ENTITIES, "the", "painting", "hangs in", "by", "a red square", "and", "it is"]
METRIC_NAMES = [name for name, metric in METRICS.items() if not metric.needs_encoder]


def make_text(rng: random.Random) -> str:
    sentences = (" ".join(rng.choices(WORDS, k=rng.randint(2, 9))) for _ in range(3))
    return "It says " + ". It says ".join(sentences) + "."


def make_items(seed: int, count: int = 40) -> list[tuple[str, str, list[str]]]:
    rng = random.Random(seed)
    return [
        (make_text(rng), make_text(rng), rng.sample(ENTITIES, rng.randint(0, len(ENTITIES))))
        for _ in range(count)
    ]


ITEMS = make_items(seed=1)
OTHER_CANDIDATES = [candidate for candidate, _, _ in make_items(seed=2)]


def scores(items: list[tuple[str, str, list[str]]], metric: str) -> list[Score]:
    return [score_all(ScoringInput(*item), [metric])[0] for item in items]


def resample(seed: int) -> list[int]:
    """Items drawn with replacement, as a bootstrap draws them."""
    rng = random.Random(seed)
    return [rng.randrange(len(ITEMS)) for _ in ITEMS]


@pytest.mark.parametrize("metric", METRIC_NAMES)
@pytest.mark.parametrize("convention", NoPairsConvention)
def test_a_bootstrap_needs_no_second_pass_over_the_texts(
    metric: str, convention: NoPairsConvention
) -> None:
    kept = scores(ITEMS, metric)
    for seed in range(5):
        drawn = resample(seed)
        from_scores = aggregate([kept[at] for at in drawn], convention)
        from_texts = aggregate(scores([ITEMS[at] for at in drawn], metric), convention)
        assert from_scores == from_texts


def test_corpus_bleu_of_any_sample_is_sacrebleus() -> None:
    kept = scores(ITEMS, "bleu")
    for seed in range(5):
        drawn = resample(seed)
        candidates, references = zip(*(ITEMS[at][:2] for at in drawn), strict=True)
        expected = sacrebleu.metrics.BLEU().corpus_score(candidates, [references]).score / 100
        assert aggregate([kept[at] for at in drawn]).corpus_value == pytest.approx(
            expected, abs=1e-12
        )


def test_the_micro_f1_of_any_sample_is_that_of_all_its_occurrences() -> None:
    kept = scores(ITEMS, "ef1")
    count = partial(plain.count, fold=False, word=True)
    for seed in range(5):
        clipped = in_candidate = in_reference = 0
        drawn = resample(seed)
        for candidate, reference, entities in (ITEMS[at] for at in drawn):
            if not sum(count(e, reference) for e in entities):
                continue  # unscorable
            clipped += sum(min(count(e, candidate), count(e, reference)) for e in entities)
            in_candidate += sum(count(e, candidate) for e in entities)
            in_reference += sum(count(e, reference) for e in entities)
        precision, recall = clipped / in_candidate, clipped / in_reference
        found = aggregate([kept[at] for at in drawn])
        assert found.corpus_value == pytest.approx(2 * precision * recall / (precision + recall))
        assert found.statistics[2:5] == (clipped, in_candidate, in_reference)


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_two_candidates_are_scorable_on_the_same_items_and_so_can_be_paired(metric: str) -> None:
    ours = scores(ITEMS, metric)
    theirs = scores(
        [
            (candidate, reference, entities)
            for candidate, (_, reference, entities) in zip(OTHER_CANDIDATES, ITEMS, strict=True)
        ],
        metric,
    )
    pairs = list(zip(ours, theirs, strict=True))
    assert all((one.value is None) is (other.value is None) for one, other in pairs)
    differences = [
        one.value - other.value
        for one, other in pairs
        if one.value is not None and other.value is not None
    ]
    one_mean, other_mean = aggregate(ours).mean, aggregate(theirs).mean
    assert one_mean is not None
    assert other_mean is not None
    assert sum(differences) / len(differences) == pytest.approx(one_mean - other_mean)


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_an_aggregate_depends_on_no_order(metric: str) -> None:
    kept = scores(ITEMS, metric)
    assert aggregate(kept) == aggregate(kept[::-1]) == aggregate(sorted(kept, key=str))


@pytest.mark.parametrize("metric", ["ef1", "rouge_1", "rouge_2", "rouge_l"])
def test_mean_precision_and_recall_are_over_the_scored_items(metric: str) -> None:
    kept = scores(ITEMS, metric)
    scored = [score for score in kept if not isinstance(score.outcome, Unscorable)]
    found = aggregate(kept)
    assert found.precision == pytest.approx(sum(s.statistics[0] for s in scored) / len(scored))
    assert found.recall == pytest.approx(sum(s.statistics[1] for s in scored) / len(scored))
    assert METRICS[metric].statistic_names[:2] == ("precision", "recall")


@pytest.mark.parametrize("metric", ["bleu", "ec_exact", "ec_partial", "ecooc_1", "length"])
def test_a_metric_without_precision_has_no_mean_of_it(metric: str) -> None:
    found = aggregate(scores(ITEMS, metric))
    assert found.mean is not None
    assert (found.precision, found.recall) == (None, None)


def test_an_aggregation_can_be_read_at_any_time() -> None:
    running = Aggregation()
    kept = scores(ITEMS, "rouge_1")
    for count, score in enumerate(kept, 1):
        running.add(score)
        assert running.result() == aggregate(kept[:count])


def test_an_aggregation_refuses_another_metrics_scores_and_keeps_its_own() -> None:
    running = Aggregation()
    with pytest.raises(ValueError, match="no score"):
        running.result()
    [one] = scores(ITEMS[:1], "rouge_1")
    [other] = scores(ITEMS[:1], "rouge_2")
    running.add(one)
    with pytest.raises(ValueError, match=r"rouge_1\|.* and rouge_2\|"):
        running.add(other)
    assert running.result() == aggregate([one])


def test_a_kept_reference_changes_no_score() -> None:
    # One analysis serves other candidates, other entities and other metrics in turn.
    reference = ITEMS[0][1]
    known = TextAnalysis(reference)
    for candidate in OTHER_CANDIDATES[:10]:
        for entities in (ENTITIES, ENTITIES[:2], []):
            kept = score_all(ScoringInput(candidate, known, entities), METRIC_NAMES)
            assert kept == score_all(ScoringInput(candidate, reference, entities), METRIC_NAMES)
