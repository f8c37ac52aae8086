"""Keeps a front that has just started out of a load balancer until its models are loaded."""

import time
from collections.abc import Callable, Iterable

from services.generation.domain import ModelCondition, ModelState


class LoadWait:
    """The wait of one front for the models that are loading when it starts.

    It ends once and for good: a model that is loaded again later is no reason to send callers of
    the others away. A model that cannot be loaded, or that has no replica by design, is not waited
    for.

    Args:
        longest_s: After how many seconds it ends in any case; 0: there is none.
        now: Tells the time in seconds.
    """

    def __init__(self, longest_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._ends_at = now() + longest_s
        self._is_over = longest_s == 0

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._is_over

    def ends_with(self, conditions: Iterable[ModelCondition]) -> bool:
        """Whether it ends, or has ended, now that the models are in these conditions."""
        loading = any(
            condition.state is ModelState.LOADING and not condition.wakes
            for condition in conditions
        )
        self._is_over = self._is_over or not loading or self._now() >= self._ends_at
        return self._is_over
