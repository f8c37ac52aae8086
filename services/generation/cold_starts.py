"""Measures how long models take that a request wakes from zero replicas."""

import time
from collections.abc import Callable, Mapping

from services.generation.domain import ModelCondition, ModelState
from services.telemetry.generation_metrics import GenerationMetrics
from services.telemetry.instruments import Metrics


class ColdStarts:
    """Counts and measures cold starts, as one front sees them.

    Args:
        metrics: Where Prometheus finds the counts.
        clock: Seconds that only grow.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._count = metrics.counter(GenerationMetrics.COLD_STARTS)
        self._durations = metrics.distribution(GenerationMetrics.COLD_START_SECONDS)
        self._asleep: frozenset[str] = frozenset()
        self._woken: dict[str, float] = {}

    def begin(self, model: str) -> None:
        """Shows the series of a model, from 0 on."""
        self._count.begin(model)
        self._durations.begin(model)

    def called(self, model: str) -> None:
        """Takes that a request is about to go to a model."""
        if model in self._asleep and model not in self._woken:
            self._woken[model] = self._clock()
            self._count.add(model)

    def refreshed(
        self, conditions: Mapping[str, ModelCondition], is_busy: Callable[[str], bool]
    ) -> None:
        """Takes how the models are, and which of them requests still wait for."""
        self._asleep = frozenset(
            name
            for name, condition in conditions.items()
            if not condition.ready_replica_count and condition.wakes
        )
        for name in list(self._woken):
            condition = conditions.get(name)
            if condition is not None and condition.ready_replica_count:
                self._durations.observe(self._clock() - self._woken.pop(name), name)
            elif condition is None or _has_ended(condition, is_busy=is_busy(name)):
                del self._woken[name]


def _has_ended(condition: ModelCondition, *, is_busy: bool) -> bool:
    """Whether no replica will come: there is none to be had, or nobody waits for one any more."""
    if condition.state is ModelState.FAILED:
        return True
    return condition.state is ModelState.SCALED_TO_ZERO and not is_busy
