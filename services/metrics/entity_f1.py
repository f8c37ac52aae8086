"""Entity F1 (EF1): do the explanation's mentions of entities match the reference's in number?

    clip(e)   = min(#(e, candidate), #(e, reference))
    precision = sum of clip(e) / sum of #(e, candidate)
    recall    = sum of clip(e) / sum of #(e, reference)
    EF1       = 2 · precision · recall / (precision + recall)

Source: arXiv:2609.00629, appendix A.5. Which entities count on the candidate's side is open there;
here it is the reference's entities that occur in the candidate. Where no entity occurs in the
reference recall is 0/0; that is open too, and unscorable here. Both are in the signature.
"""

from collections.abc import Sequence
from functools import cache

from services.metrics.analysis import ScoringInput
from services.metrics.metric import Metric, unscorable
from services.metrics.options import ScoringOptions
from services.metrics.outcome import Unscorable, UnscorableReason
from services.metrics.signature import matching_knobs, signature

_STATISTICS = (
    "precision",
    "recall",
    "clipped_occurrences",
    "candidate_occurrences",
    "reference_occurrences",
)


def _compute(item: ScoringInput) -> tuple[float | Unscorable, tuple[float, ...]]:
    if not item.entities:
        return unscorable(UnscorableReason.NO_ENTITIES, _STATISTICS)
    candidate, reference = item.in_candidate.counts, item.in_reference.counts
    clipped = sum(map(min, candidate, reference))
    in_candidate, in_reference = sum(candidate), sum(reference)
    if not in_reference:
        return unscorable(UnscorableReason.ENTITIES_NOT_IN_REFERENCE, _STATISTICS)
    precision = clipped / in_candidate if in_candidate else 0.0
    recall = clipped / in_reference
    # 2PR/(P+R), which is 0/0 without a match; without a match the benchmark counts 0.
    f1 = 2 * clipped / (in_candidate + in_reference)
    return f1, (precision, recall, clipped, in_candidate, in_reference)


def _corpus_value(sums: Sequence[float]) -> float | None:
    _, _, clipped, in_candidate, in_reference = sums
    return 2 * clipped / (in_candidate + in_reference) if in_reference else None


@cache
def _sign(options: ScoringOptions) -> str:
    return signature(
        "ef1",
        generated="reference-entities-found",
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
