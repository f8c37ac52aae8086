"""Entity co-occurrence (ECooc): are the entities that belong together mentioned together?

    ECooc_n = LP(candidate, reference) · share of the reference's pairs that the candidate has too

A pair is two distinct entities that occur together in a window: a sentence and the n sentences on
either side of it (n = 0, 1, 2 or the whole text). LP is the length penalty.

Source: Hayashi et al., ACL 2024; arXiv:2609.00629, appendix A.5. Where the reference has no pair
the metric is unscorable here; :mod:`services.metrics.statistics` can also count it as 0.
"""

from collections.abc import Callable, Sequence
from functools import cache

from services.metrics.analysis import ScoringInput
from services.metrics.length import length_penalty
from services.metrics.metric import Metric, ratio, unscorable
from services.metrics.options import ScoringOptions
from services.metrics.outcome import Unscorable, UnscorableReason
from services.metrics.signature import matching_knobs, signature, token_knobs

_STATISTICS = ("length_penalty", "matched_pairs", "reference_pairs", "penalised_matched_pairs")

_WINDOWS = (("0", 0), ("1", 1), ("2", 2), ("inf", None))


def cooccurring(by_sentence: Sequence[int], entity_count: int, radius: int | None) -> list[int]:
    """Finds which entities occur together.

    Args:
        by_sentence: For each sentence the bit mask of the entities in it.
        entity_count: How many entities there are.
        radius: How many sentences on either side belong to a window; None for the whole text.

    Returns:
        For each entity the bit mask of those it occurs with in some window, itself excluded.
    """
    partners = [0] * entity_count
    for window in _windows(by_sentence, radius):
        rest = window
        while rest:
            lowest = rest & -rest
            partners[lowest.bit_length() - 1] |= window ^ lowest
            rest ^= lowest
    return partners


def _windows(by_sentence: Sequence[int], radius: int | None) -> set[int]:
    if radius == 0:
        return set(by_sentence)
    if radius is None:
        return {_union(by_sentence)}
    return {
        _union(by_sentence[max(centre - radius, 0) : centre + radius + 1])
        for centre in range(len(by_sentence))
    }


def _union(masks: Sequence[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _pair_count(partners: Sequence[int]) -> int:
    return sum(mask.bit_count() for mask in partners) // 2  # each pair is in two masks


def _compute(
    item: ScoringInput, radius: int | None
) -> tuple[float | Unscorable, tuple[float, ...]]:
    if not item.entities:
        return unscorable(UnscorableReason.NO_ENTITIES, _STATISTICS)
    count = len(item.entities)
    reference = cooccurring(item.in_reference.by_sentence, count, radius)
    reference_pairs = _pair_count(reference)
    if not reference_pairs:
        return unscorable(UnscorableReason.NO_REFERENCE_PAIRS, _STATISTICS)
    candidate = cooccurring(item.in_candidate.by_sentence, count, radius)
    matched = _pair_count([c & r for c, r in zip(candidate, reference, strict=True)])
    penalty = length_penalty(len(item.candidate.tokens), len(item.reference.tokens))
    value = penalty * matched / reference_pairs
    return value, (penalty, matched, reference_pairs, penalty * matched)


def _corpus_value(sums: Sequence[float]) -> float | None:
    return ratio(sums[3], sums[2])


def _metric(suffix: str, radius: int | None) -> Metric:
    name = f"ecooc_{suffix}"

    def compute(item: ScoringInput) -> tuple[float | Unscorable, tuple[float, ...]]:
        return _compute(item, radius)

    @cache
    def sign(options: ScoringOptions) -> str:
        knobs = {**matching_knobs(options), **token_knobs()}
        return signature(name, window=suffix, nopairs="unscorable", **knobs)

    where = {
        "0": "in one sentence",
        "1": "within a sentence and its neighbours",
        "2": "within a sentence and the two on either side",
        "inf": "anywhere in the text",
    }[suffix]
    signing: Callable[[ScoringOptions], str] = sign
    return Metric(
        name=name,
        description=(
            f"Share of the reference's entity pairs {where} that the explanation has too, "
            "times the length penalty."
        ),
        statistic_names=_STATISTICS,
        compute=compute,
        sign=signing,
        corpus_value=_corpus_value,
    )


ENTITY_COOCCURRENCE_METRICS = tuple(_metric(suffix, radius) for suffix, radius in _WINDOWS)
