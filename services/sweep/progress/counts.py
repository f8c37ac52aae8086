"""Counts how far a sweep is, model by model; only what is stored durably counts as done."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from services.sweep.plan.plan import PlannedModel, SweepPlan, has_scores
from services.sweep.progress.snapshot import (
    COMMIT_BOUNDS_S,
    LATENCY_BOUNDS_S,
    Histogram,
    ModelProgress,
    SweepSnapshot,
)
from services.sweep.results.batch import ResultBatch
from services.sweep.results.rows import FailureRow, GenerationRow, Stage

_WINDOW_S = 60.0


class Pace:
    """How fast a count has grown over the last minute.

    Args:
        clock: Seconds from any beginning.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._total = 0
        self._points: deque[tuple[float, int]] = deque()
        self._idle_at = clock()

    def idle(self) -> None:
        """Notes that nothing has been begun up to now."""
        if not self._points:
            self._idle_at = self._clock()

    def begin(self) -> None:
        """Begins to measure; what was not begun has no pace."""
        if not self._points:
            self._points.append((self._clock(), 0))

    def add(self, count: int) -> None:
        """Counts what has just come; what nobody saw begin began after it was last seen idle."""
        if not self._points:
            self._points.append((self._idle_at, 0))
        self._total += count
        self._points.append((self._clock(), self._total))

    def per_s(self) -> float:
        """The growth a second."""
        now = self._clock()
        # The last point before the window stays: from there on is measured.
        while len(self._points) > 1 and self._points[1][0] <= now - _WINDOW_S:
            self._points.popleft()
        if not self._points or now <= self._points[0][0]:
            return 0.0
        began, before = self._points[0]
        return (self._total - before) / (now - began)


@dataclass(slots=True)
class ModelState:
    """One model's counts, as they change."""

    label: str
    planned: int
    done: int
    failed: int
    settling: Pace
    generating: Pace
    in_flight: int = 0
    to_ask_again: int = 0
    concurrency: int = 0
    prompt_token_count: int = 0
    generated_token_count: int = 0
    set_aside: str = ""
    retries: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=lambda: Histogram.empty(LATENCY_BOUNDS_S))

    def progress(self) -> ModelProgress:
        """The counts as they are now."""
        if self.in_flight:
            self.settling.begin()
            self.generating.begin()
        else:
            self.settling.idle()
            self.generating.idle()
        return ModelProgress(
            label=self.label,
            planned=self.planned,
            done=self.done,
            failed=self.failed,
            in_flight=self.in_flight,
            prompt_token_count=self.prompt_token_count,
            generated_token_count=self.generated_token_count,
            set_aside=self.set_aside,
            to_ask_again=self.to_ask_again,
            concurrency=self.concurrency,
            retries=dict(self.retries),
            rate_per_s=self.settling.per_s(),
            tokens_per_s=self.generating.per_s(),
            latency=self.latency,
        )


class SweepCounts:
    """Counts of a run.

    Args:
        plan: What was planned and what was done before.
        clock: Seconds from any beginning.
    """

    def __init__(self, plan: SweepPlan, clock: Callable[[], float] = time.monotonic) -> None:
        self._models = {
            _place(model.choice.model, model.choice.adapter): ModelState(
                label=model.label,
                planned=counts.planned,
                done=counts.done,
                failed=counts.failed,
                settling=Pace(clock),
                generating=Pace(clock),
            )
            for model, counts in zip(plan.models, plan.by_model(), strict=True)
        }
        self._by_label = {state.label: state for state in self._models.values()}
        self._clock = clock
        self._started = clock()
        self._done_before = sum(state.done + state.failed for state in self._models.values())
        self._max_parallel_models = plan.spec.max_parallel_models or 0
        self._commits = Histogram.empty(COMMIT_BOUNDS_S)
        # Explanations whose scoring failed for good are neither scored nor still to be.
        self.scored = sum(
            job.key in plan.stored.generated and has_scores(job, plan.stored) for job in plan.jobs
        )

    def of_model(self, model: PlannedModel) -> ModelState:
        """The counts of a model."""
        return self._models[_place(model.choice.model, model.choice.adapter)]

    def retried(self, label: str, reason: str) -> None:
        """Counts a question that is asked again."""
        self._by_label[label].retries[reason] += 1

    def add(self, batch: ResultBatch, *, scored: int) -> None:
        """Counts what has become durable.

        Args:
            batch: The rows.
            scored: How many explanations got their first scores with them.
        """
        settled: Counter[str] = Counter()
        generated: Counter[str] = Counter()
        latencies: dict[str, list[float]] = {}
        for row in batch.generations:
            state = self._of_row(row)
            state.done += 1
            state.prompt_token_count += row.prompt_token_count
            state.generated_token_count += row.generated_token_count
            settled[state.label] += 1
            generated[state.label] += row.generated_token_count
            latencies.setdefault(state.label, []).append(row.total_s or row.elapsed_s)
        for failure in batch.failures:
            if failure.stage == Stage.GENERATION:
                state = self._of_row(failure)
                state.failed += 1
                state.to_ask_again += not failure.final
                settled[state.label] += 1
        for label, count in settled.items():
            self._by_label[label].settling.add(count)
        for label, durations_s in latencies.items():
            state = self._by_label[label]
            state.generating.add(generated[label])
            state.latency = state.latency.with_durations(durations_s)
        self._commits = self._commits.with_durations([batch.commit_s])
        self.scored += scored

    def snapshot(self) -> SweepSnapshot:
        """The counts as they are now."""
        return SweepSnapshot(
            models=tuple(state.progress() for state in self._models.values()),
            scored=self.scored,
            elapsed_s=self._clock() - self._started,
            done_before=self._done_before,
            max_parallel_models=self._max_parallel_models,
            commits=self._commits,
        )

    def _of_row(self, row: GenerationRow | FailureRow) -> ModelState:
        return self._models[_place(row.model, row.adapter)]


def _place(model: str, adapter: str) -> tuple[str, str]:
    return model, adapter
