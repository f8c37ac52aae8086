"""The counts of several drivers, added up."""

from collections import Counter
from collections.abc import Iterable, Sequence

from services.sweep.progress.snapshot import Histogram, ModelProgress, SweepSnapshot


def added_up(snapshots: Sequence[SweepSnapshot]) -> SweepSnapshot:
    """Adds up what several drivers counted, at least one; rates too, as they run side by side."""
    labels = dict.fromkeys(model.label for one in snapshots for model in one.models)
    by_label = {
        label: [model for one in snapshots for model in one.models if model.label == label]
        for label in labels
    }
    return SweepSnapshot(
        models=tuple(_model(parts) for parts in by_label.values()),
        scored=sum(one.scored for one in snapshots),
        elapsed_s=max(one.elapsed_s for one in snapshots),
        done_before=sum(one.done_before for one in snapshots),
        max_parallel_models=max(one.max_parallel_models for one in snapshots),
        commits=_histogram([one.commits for one in snapshots]),
    )


def _model(parts: Sequence[ModelProgress]) -> ModelProgress:
    retries: Counter[str] = Counter()
    for part in parts:
        retries.update(part.retries)
    return ModelProgress(
        label=parts[0].label,
        planned=sum(part.planned for part in parts),
        done=sum(part.done for part in parts),
        failed=sum(part.failed for part in parts),
        to_ask_again=sum(part.to_ask_again for part in parts),
        in_flight=sum(part.in_flight for part in parts),
        prompt_token_count=sum(part.prompt_token_count for part in parts),
        generated_token_count=sum(part.generated_token_count for part in parts),
        set_aside=next((part.set_aside for part in parts if part.set_aside), ""),
        concurrency=sum(part.concurrency for part in parts),
        retries=dict(retries),
        rate_per_s=sum(part.rate_per_s for part in parts),
        tokens_per_s=sum(part.tokens_per_s for part in parts),
        latency=_histogram([part.latency for part in parts]),
    )


def _histogram(parts: Sequence[Histogram]) -> Histogram:
    counts: Iterable[tuple[int, ...]] = zip(*(part.counts for part in parts), strict=True)
    return Histogram(
        parts[0].bounds_s,
        tuple(sum(column) for column in counts),
        sum(part.sum_s for part in parts),
    )
