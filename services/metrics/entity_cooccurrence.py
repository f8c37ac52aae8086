"""Entity co-occurrence (ECooc): are the entities that belong together mentioned together?

    ECooc_n = LP(candidate, reference) · share of the reference's pairs that the candidate has too

A pair is two distinct entities that occur together in a window: a sentence and the n sentences on
either side of it (n = 0, 1, 2 or the whole text). LP is the length penalty.

Source: Hayashi et al., ACL 2024; arXiv:2609.00629, appendix A.5. Where the reference has no pair
the metric is unscorable, or 0 if the options say so; :mod:`services.metrics.statistics` can also
count the unscorable ones as 0. If the options say that the candidate's entities are given, those
that are not among them count as not mentioned.

Time and memory grow with the square of the number of entities, a bit a pair: 3,000 take 1 MiB and
tenths of a second for each window and text, 10,000 take 12 MiB and seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.length import length_penalty
from services.metrics.metric import Metric, ratio, sign_micro, unscorable
from services.metrics.occurrences import EntityOccurrences
from services.metrics.options import NoPairsRule, ScoringOptions
from services.metrics.outcome import Unscorable, UnscorableReason
from services.metrics.signature import generated_knobs, matching_knobs, signature, token_knobs

_STATISTICS = ("length_penalty", "matched_pairs", "reference_pairs", "penalised_matched_pairs")

_WINDOWS = (("0", 0), ("1", 1), ("2", 2), ("inf", None))


@dataclass(frozen=True, slots=True)
class EntityCooccurrence:
    """Entity co-occurrence of one candidate, by window. Values are 0-1.

    Attributes:
        window_0: Of pairs in one sentence.
        window_1: Of pairs within a sentence and its neighbours.
        window_2: Of pairs within a sentence and the two on either side.
        window_inf: Of pairs anywhere in the text.
    """

    window_0: float | Unscorable
    window_1: float | Unscorable
    window_2: float | Unscorable
    window_inf: float | Unscorable


def entity_cooccurrence(
    candidate: str | TextAnalysis,
    reference: str | TextAnalysis,
    entities: Iterable[str],
    options: ScoringOptions | None = None,
    candidate_entities: Iterable[str] | None = None,
) -> EntityCooccurrence:
    """Scores which entities that the reference mentions together a candidate does, too.

    Args:
        candidate: The explanation; may be empty.
        reference: The reference explanation.
        entities: The reference's entities.
        options: The choices that the benchmark leaves open.
        candidate_entities: The candidate's own entities, if the options say that they are given.

    Returns:
        For each window the value, or why there is none: there is no entity, or no two of them
        occur together in the reference.

    Raises:
        InvalidRequestError: The reference is blank, an entity is blank or given twice, or the
            candidate's entities are missing or unasked for.

    >>> entity_cooccurrence(  # doctest: +NORMALIZE_WHITESPACE
    ...     candidate="From Paris to Rome.",
    ...     reference="In Paris first. It then hung in Rome.",
    ...     entities=["Paris", "Rome"],
    ... )
    EntityCooccurrence(window_0=Unscorable(reason=<UnscorableReason.NO_REFERENCE_PAIRS:
                       'NO_REFERENCE_PAIRS'>),
                       window_1=1.0, window_2=1.0, window_inf=1.0)
    """
    item = ScoringInput(
        candidate, reference, entities, options, candidate_entities=candidate_entities
    )
    return EntityCooccurrence(*(_compute(item, radius)[0] for _, radius in _WINDOWS))


def cooccurring(occurrences: EntityOccurrences, radius: int | None) -> int:
    """Finds which entities occur together.

    Args:
        occurrences: Where they occur.
        radius: How many sentences on either side belong to a window; None for the whole text.

    Returns:
        The pairs as a bit mask, in which each entity has a row of bits: bit j of row i says that
        i and j occur in some window, and so does bit i of row j.
    """
    if radius not in occurrences.pairs:
        occurrences.pairs[radius] = _find_pairs(occurrences, radius)
    return occurrences.pairs[radius]


def _find_pairs(occurrences: EntityOccurrences, radius: int | None) -> int:
    near = occurrences.by_sentence
    # Two sentences are in one window if they are no further apart than its two ends.
    if radius is None or len(near) <= 2 * radius + 1:
        near = [_union(near)] * len(near)
    else:
        for _ in range(radius):
            wide = [0, 0, *near, 0, 0]
            rows = zip(wide, wide[1:], wide[2:], wide[3:], wide[4:], strict=False)
            near = [a | b | c | d | e for a, b, c, d, e in rows]
    partners = []
    for index, sentences in enumerate(occurrences.sentences):
        together = 0
        for at in sentences:
            together |= near[at]
        partners.append(together & ~(1 << index))
    return _matrix(partners)


def _union(masks: Sequence[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _matrix(rows: Sequence[int]) -> int:
    # Rows of whole bytes, which are put together in one go however many there are.
    width = (len(rows) + 7) // 8
    return int.from_bytes(b"".join([row.to_bytes(width, "little") for row in rows]), "little")


def _pair_count(pairs: int) -> int:
    return pairs.bit_count() // 2


def _matched_pairs(item: ScoringInput, radius: int | None, reference: int) -> int:
    matched = cooccurring(item.in_candidate, radius) & reference
    if item.given_list is not None:
        among = sum(1 << i for i, mentioned in enumerate(item.mentioned) if mentioned)
        matched &= _matrix([among * mentioned for mentioned in item.mentioned])
    return matched


def _compute(
    item: ScoringInput, radius: int | None
) -> tuple[float | Unscorable, tuple[float, ...]]:
    if not item.entities:
        return unscorable(UnscorableReason.NO_ENTITIES, _STATISTICS)
    reference = cooccurring(item.in_reference, radius)
    reference_pairs = _pair_count(reference)
    if not reference_pairs and item.options.no_pairs is NoPairsRule.UNSCORABLE:
        return unscorable(UnscorableReason.NO_REFERENCE_PAIRS, _STATISTICS)
    penalty = length_penalty(*item.token_counts)
    if not reference_pairs:
        return 0.0, (penalty, 0, 0, 0.0)
    matched = _pair_count(_matched_pairs(item, radius, reference))
    value = penalty * matched / reference_pairs
    return value, (penalty, matched, reference_pairs, penalty * matched)


def _corpus_value(sums: Sequence[float]) -> float | None:
    return ratio(sums[3], sums[2])


def _sign_corpus(signature: str) -> str:
    # Items without pairs add nothing to the sums, whatever becomes of them in a mean.
    one = signature.replace(f"|nopairs:{NoPairsRule.ZERO}|", f"|nopairs:{NoPairsRule.UNSCORABLE}|")
    return sign_micro(one)


@cache
def _sign(options: ScoringOptions, window: str) -> str:
    return signature(
        f"ecooc_{window}",
        window=window,
        nopairs=options.no_pairs.value,
        **generated_knobs(options),
        **matching_knobs(options),
        **token_knobs(options, sentences=True),
    )


def _metric(suffix: str, radius: int | None) -> Metric:
    where = {
        "0": "in one sentence",
        "1": "within a sentence and its neighbours",
        "2": "within a sentence and the two on either side",
        "inf": "anywhere in the text",
    }[suffix]
    return Metric(
        name=f"ecooc_{suffix}",
        description=(
            f"Share of the reference's entity pairs {where} that the explanation has too, "
            "times the length penalty."
        ),
        statistic_names=_STATISTICS,
        compute=partial(_compute, radius=radius),
        sign=partial(_sign, window=suffix),
        corpus_value=_corpus_value,
        sign_corpus=_sign_corpus,
    )


ENTITY_COOCCURRENCE_METRICS = tuple(_metric(suffix, radius) for suffix, radius in _WINDOWS)
