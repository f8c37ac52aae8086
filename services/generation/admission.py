"""Bounds how many requests of each model a front takes on and sends on."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

from services.core.errors import ModelFailedError, ModelNotFoundError
from services.generation.catalog import Catalog, ModelSpec, ScalingSpec
from services.generation.domain import Lane, ModelCondition, ModelState
from services.generation.lanes import ModelQueue, Ticket


def places_of(scaling: ScalingSpec, ready_replicas: int) -> int:
    """Says how many requests may be at a model's replicas, or on their way to them.

    As many as the replicas that are ready work on, and one replica's worth where none is: that
    wakes a model which is scaled to zero. While more replicas may come, there is always enough
    that autoscaling sees the need for one more: it divides what it sees by the target.

    >>> scaling = ScalingSpec(max_replicas=3, target_ongoing_requests=8, max_ongoing_requests=10)
    >>> [places_of(scaling, ready) for ready in range(4)]
    [10, 16, 24, 30]
    """
    working = max(1, ready_replicas) * scaling.max_ongoing_requests
    if ready_replicas >= scaling.max_replicas:
        return working
    return max(working, math.ceil((ready_replicas + 1) * scaling.target_ongoing_requests))


def _tell_nobody(model: str, lane: Lane, duration_s: float) -> None:
    del model, lane, duration_s


class Admission:
    """One queue a model.

    Args:
        catalog: The models.
        interactive_share: Part of the places, and of the places to wait, that sweep calls never
            take; 0 to below 1.
        clock: Seconds that only grow.
        note_wait: Told how long each call of a model and lane waited that got a place.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        interactive_share: float,
        clock: Callable[[], float] = time.monotonic,
        note_wait: Callable[[str, Lane, float], None] = _tell_nobody,
    ) -> None:
        self._note_wait = note_wait
        self._interactive_share = interactive_share
        self._clock = clock
        self._queues: dict[str, ModelQueue] = {}
        self.use_catalog(catalog)

    def use_catalog(self, catalog: Catalog) -> None:
        """Takes other models; for those that are gone nobody waits any longer."""
        known, self._queues = self._queues, {}
        for spec in catalog:
            queue = known.pop(spec.name, None)
            if queue is None:
                queue = self._new_queue(spec)
            else:
                queue.bound(spec.scaling.max_queued_requests)
            self._queues[spec.name] = queue
        for name, queue in known.items():
            queue.refuse_all(_gone(name))
        self._specs = {spec.name: spec for spec in catalog}

    def queues(self) -> dict[str, ModelQueue]:
        """Gives the queues as they are now, by the models' names."""
        return self._queues.copy()

    def queue(self, model: str) -> ModelQueue:
        """Gives the queue of a model of the catalog."""
        return self._queues[model]

    def place(self, spec: ModelSpec, ticket: Ticket) -> AbstractAsyncContextManager[None]:
        """Waits for a place at a model's replicas and holds it; errors as of ModelQueue.place.

        Raises:
            ModelNotFoundError: The model has been taken out of the catalog.
        """
        if spec.name not in self._queues:
            raise _gone(spec.name)
        return self._queues[spec.name].place(ticket)

    def adjust(self, conditions: Mapping[str, ModelCondition]) -> None:
        """Takes how the models are: more replicas take more, and of a failed one nobody waits."""
        for name, condition in conditions.items():
            queue = self._queues[name]
            if condition.state is ModelState.FAILED:
                queue.refuse_all(failure_of(name, condition))
            ready = condition.ready_replica_count
            queue.resize(places_of(self._specs[name].scaling, ready), is_awake=ready > 0)

    def _new_queue(self, spec: ModelSpec) -> ModelQueue:
        return ModelQueue(
            spec.name,
            places=places_of(spec.scaling, 0),
            max_waiting=spec.scaling.max_queued_requests,
            interactive_share=self._interactive_share,
            clock=self._clock,
            note_wait=partial(self._note_wait, spec.name),
        )


def _gone(model: str) -> ModelNotFoundError:
    return ModelNotFoundError(f"model {model} is not served any more", model=model)


def failure_of(model: str, condition: ModelCondition) -> ModelFailedError:
    """Makes the error of a call to a model that could not be loaded."""
    return ModelFailedError(
        f"model {model} could not be loaded: {condition.reason}",
        model=model,
        cause=condition.reason,
    )
