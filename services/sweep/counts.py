"""Counts how far a sweep is, model by model; only what is stored durably counts as done."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from services.sweep.journal import ResultBatch
from services.sweep.plan import PlannedModel, SweepPlan, has_scores
from services.sweep.progress import ModelProgress, SweepSnapshot
from services.sweep.rows import FailureRow, GenerationRow, Stage


@dataclass(slots=True)
class ModelState:
    """One model's counts, as they change."""

    label: str
    planned: int
    done: int
    failed: int
    in_flight: int = 0
    generated_token_count: int = 0
    set_aside: str = ""


class SweepCounts:
    """Counts of a run.

    Args:
        plan: What was planned and what was done before.
        clock: Seconds from any beginning.
    """

    def __init__(self, plan: SweepPlan, clock: Callable[[], float] = time.monotonic) -> None:
        self._models = {
            _place(model.choice.model, model.choice.adapter): ModelState(
                label=model.label, planned=counts.planned, done=counts.done, failed=counts.failed
            )
            for model, counts in zip(plan.models, plan.by_model(), strict=True)
        }
        self._clock = clock
        self._started = clock()
        self._done_before = sum(state.done + state.failed for state in self._models.values())
        # Explanations whose scoring failed for good are neither scored nor still to be.
        self.scored = sum(
            job.key in plan.stored.generated and has_scores(job, plan.stored) for job in plan.jobs
        )

    def of_model(self, model: PlannedModel) -> ModelState:
        """The counts of a model."""
        return self._models[_place(model.choice.model, model.choice.adapter)]

    def add(self, batch: ResultBatch, *, scored: int) -> None:
        """Counts what has become durable.

        Args:
            batch: The rows.
            scored: How many explanations got their first scores with them.
        """
        for row in batch.generations:
            state = self._of_row(row)
            state.done += 1
            state.generated_token_count += row.generated_token_count
        for failure in batch.failures:
            if failure.stage == Stage.GENERATION:
                self._of_row(failure).failed += 1
        self.scored += scored

    def snapshot(self) -> SweepSnapshot:
        """The counts as they are now."""
        return SweepSnapshot(
            models=tuple(
                ModelProgress(
                    label=state.label,
                    planned=state.planned,
                    done=state.done,
                    failed=state.failed,
                    in_flight=state.in_flight,
                    generated_token_count=state.generated_token_count,
                    set_aside=state.set_aside,
                )
                for state in self._models.values()
            ),
            scored=self.scored,
            elapsed_s=self._clock() - self._started,
            done_before=self._done_before,
        )

    def _of_row(self, row: GenerationRow | FailureRow) -> ModelState:
        return self._models[_place(row.model, row.adapter)]


def _place(model: str, adapter: str) -> tuple[str, str]:
    return model, adapter
