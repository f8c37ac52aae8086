"""Entity F1 (EF1): do the explanation's mentions of entities match the reference's in number?

    clip(e)   = min(#(e, candidate), #(e, reference))
    precision = sum of clip(e) / sum of #(e, candidate)  over the candidate's entities
    recall    = sum of clip(e) / sum of #(e, reference)  over the reference's entities
    EF1       = 2 · precision · recall / (precision + recall)

Source: arXiv:2609.00629, appendix A.5. Which entities are the candidate's is open there: the
reference's entities that occur in the candidate, or those that are given with it. Either way
occurrences are counted in the two texts, so that recall does not depend on what is given. Precision
is 0 where none of the candidate's entities occurs in it. Where no entity of the reference occurs in
the reference recall is 0/0; that is open too, and unscorable here. All this is in the signature.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.metric import Metric, unscorable
from services.metrics.options import ScoringOptions
from services.metrics.outcome import Unscorable, UnscorableReason
from services.metrics.signature import generated_knobs, matching_knobs, signature

_STATISTICS = (
    "precision",
    "recall",
    "clipped_occurrences",
    "candidate_occurrences",
    "reference_occurrences",
    "clipped_reference_occurrences",
)


@dataclass(frozen=True, slots=True)
class EntityF1:
    """Entity F1 of one candidate. All values are 0-1.

    Attributes:
        f1: Harmonic mean of precision and recall; 0 where nothing matches.
        precision: Share of the mentions in the candidate that the reference has, too.
        recall: Share of the mentions in the reference that the candidate has, too.
    """

    f1: float
    precision: float
    recall: float


def entity_f1(
    candidate: str | TextAnalysis,
    reference: str | TextAnalysis,
    entities: Iterable[str],
    options: ScoringOptions | None = None,
    candidate_entities: Iterable[str] | None = None,
) -> EntityF1 | Unscorable:
    """Scores how a candidate's mentions of entities match the reference's in number.

    Args:
        candidate: The explanation; may be empty.
        reference: The reference explanation.
        entities: The reference's entities.
        options: The choices that the benchmark leaves open.
        candidate_entities: The candidate's own entities, if the options say that they are given.

    Returns:
        The values, or why there are none: there is no entity, or none occurs in the reference.

    Raises:
        InvalidRequestError: The reference is blank, an entity is blank or given twice, or the
            candidate's entities are missing or unasked for.

    >>> entity_f1("Rome, Rome, Paris!", "From Paris to Rome, and on.", ["Paris", "Rome"])
    EntityF1(f1=0.8, precision=0.6666666666666666, recall=1.0)
    >>> entity_f1("From Paris.", "From Rome.", ["Paris"])
    Unscorable(reason=<UnscorableReason.ENTITIES_NOT_IN_REFERENCE: 'ENTITIES_NOT_IN_REFERENCE'>)
    """
    item = ScoringInput(
        candidate, reference, entities, options, candidate_entities=candidate_entities
    )
    outcome, statistics = _compute(item)
    if isinstance(outcome, Unscorable):
        return outcome
    return EntityF1(outcome, precision=statistics[0], recall=statistics[1])


def _compute(item: ScoringInput) -> tuple[float | Unscorable, tuple[float, ...]]:
    if not item.entities:
        return unscorable(UnscorableReason.NO_ENTITIES, _STATISTICS)
    candidate, reference = item.in_candidate.counts, item.in_reference.counts
    in_reference = sum(reference)
    if not in_reference:
        return unscorable(UnscorableReason.ENTITIES_NOT_IN_REFERENCE, _STATISTICS)
    recalled = sum(map(min, candidate, reference))
    if item.given_list is None:
        clipped, in_candidate = recalled, sum(candidate)
    else:
        given, options = item.given_list, item.options
        candidate = item.candidate.count_occurrences(given, options)
        reference = item.reference.count_occurrences(given, options)
        clipped, in_candidate = sum(map(min, candidate, reference)), sum(candidate)
    precision = clipped / in_candidate if in_candidate else 0.0
    counts = (clipped, in_candidate, in_reference, recalled)
    return _f1(*counts), (precision, recalled / in_reference, *counts)


def _f1(clipped: int, in_candidate: int, in_reference: int, recalled: int) -> float:
    # 2PR/(P+R) over one denominator, and so rounded once. It is 0/0 without a match; the benchmark
    # counts 0.
    both = clipped * in_reference + recalled * in_candidate
    return 2 * clipped * recalled / both if both else 0.0


def _corpus_value(sums: Sequence[float]) -> float | None:
    clipped, in_candidate, in_reference, recalled = map(round, sums[2:])
    return _f1(clipped, in_candidate, in_reference, recalled) if in_reference else None


@cache
def _sign(options: ScoringOptions) -> str:
    return signature(
        "ef1",
        **generated_knobs(options),
        nomatch="zero",
        noreference="unscorable",
        **matching_knobs(options),
    )


ENTITY_F1_METRICS = (
    Metric(
        name="ef1",
        description=(
            "F1 of the reference's entities, counted by how often they occur in the explanation "
            "and in the reference."
        ),
        statistic_names=_STATISTICS,
        compute=_compute,
        sign=_sign,
        corpus_value=_corpus_value,
    ),
)
