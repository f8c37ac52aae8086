"""Where the results of a report come from, and what is not as it should be."""

from collections.abc import Iterator

import numpy as np

from services.sweep.progress.costs import costs_of
from services.sweep.report.model import SweepInfo
from services.sweep.report.sources import Source
from services.sweep.results.manifest import Attestation


def sweep_info(source: Source, note: str = "") -> SweepInfo:
    """Says where one sweep's results come from.

    Args:
        source: The sweep.
        note: What else is not as it should be, a sentence.

    Raises:
        UserInputError: The results cannot be read.
    """
    manifest, scores = source.manifest, source.scores
    failed = np.flatnonzero(scores.failures.is_failed & ~scores.is_scored)
    attested: dict[str, list[str]] = {}
    for one in source.manifests:
        for label, found in one.attested.items():
            words = attested.setdefault(label, [])
            words += [said for attestation in found if (said := _words(attestation)) not in words]
    ends = [one.ended_at for one in source.manifests]
    known = [end for end in ends if end is not None]
    return SweepInfo(
        name=source.name,
        output=source.output,
        dataset=manifest.dataset,
        dataset_revision=manifest.dataset_revision,
        dataset_digest=manifest.dataset_digest,
        currency=source.spec.prices.currency,
        costs=costs_of(source.tables, source.spec.prices),
        attested=attested,
        versions=manifest.versions,
        failures=scores.failures.counts(failed),
        planned_at=manifest.planned_at,
        ended_at=max(known) if len(known) == len(ends) else None,
        notes=tuple(_notes(source, note)),
    )


def _words(attestation: Attestation) -> str:
    words = [f"revision {attestation.revision}"] * bool(attestation.revision)
    words += [f"{attestation.engine} {attestation.engine_version}".strip(), attestation.dtype]
    words += [attestation.quantization]
    return ", ".join(word for word in words if word)


def _notes(source: Source, note: str) -> Iterator[str]:
    plan, scores = source.plan, source.scores
    if plan.missing_shards:
        yield (
            "Shards whose results are not here, and whose questions are not counted: "
            f"{', '.join(plan.missing_shards)}."
        )
    if plan.stale_shards:
        yield (
            "Shards planned from another spec, dataset or models than the last one, whose "
            f"questions are not counted until they are run again: {', '.join(plan.stale_shards)}."
        )
    scored = int(np.count_nonzero(scores.is_scored))
    partly = {name: count for name in scores.metrics if (count := scores.count(name)) < scored}
    if partly:
        counts = ", ".join(f"{name} {count}" for name, count in partly.items())
        yield (
            f"Metrics that not all of the {scored} scored answers were scored by, whose means are "
            f"over other questions than the rest: {counts}; expart sweep rescore scores all alike."
        )
    is_failed = scores.failures.is_failed & ~scores.is_scored
    if passing := int(np.count_nonzero(is_failed & ~scores.failures.is_for_good)):
        yield f"Failed for a reason that may pass, to be asked by another run: {passing}."
    if pending := len(plan) - scored - int(np.count_nonzero(is_failed)):
        yield f"Answers that are not there, or not scored, yet: {pending} of {len(plan)}."
    if note:
        yield note
