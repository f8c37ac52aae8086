"""Signatures of the means that a report shows."""

from collections.abc import Sequence

from services.metrics.registry import METRICS
from services.metrics.statistics import NoPairsConvention, mean_signature
from services.sweep.report.evidence import Evidence
from services.sweep.report.model import MetricSignature


def signatures_of(evidence: Evidence, *, micro: bool) -> dict[str, MetricSignature]:
    """The signatures of each metric's means, replicates being averaged first.

    Args:
        evidence: The results.
        micro: Whether values from summed statistics are reported, too.
    """
    replicates = sorted({int(source.plan.replicate.max()) + 1 for source in evidence.sources})
    found = {}
    for metric, signature in evidence.signatures.items():
        known = METRICS[metric]
        macro = mean_signature(signature, NoPairsConvention.LEAVE_OUT)
        summed = None
        if micro and known.corpus_value is not None:
            summed = _signed(known.sign_corpus(signature), replicates)
        found[metric] = MetricSignature(_signed(macro, replicates), summed)
    return found


def _signed(signature: str, replicates: Sequence[int]) -> str:
    """Says in a signature that replicates were averaged first, where there are any."""
    if max(replicates) == 1:
        return signature
    *others, last = signature.split("|")
    counts = "+".join(map(str, replicates))
    return "|".join((*others, f"replicates:{counts}-averaged-first", last))
