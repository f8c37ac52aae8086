"""Tells a question that its engine dies of from those that were asked at the same time."""

from services.core.errors import ErrorReason, ServiceError
from services.sweep.remote.retry import is_waited_for
from services.sweep.run.concurrency_gate import ConcurrencyGate

# By chance a question is seldom there at so many losses.
_LOSSES_OF_A_SUSPECT = 3
_LOSSES = frozenset({ErrorReason.ENGINE_UNAVAILABLE, ErrorReason.GENERATION_ABORTED})


class Suspicion:
    """What one question may have to do with losses of its engine.

    Args:
        gate: Lets the model's questions in.
        max_attempts: Attempts that the question has.
    """

    def __init__(self, gate: ConcurrencyGate, max_attempts: int) -> None:
        self._gate = gate
        # The last attempt at the latest must show what the question does on its own.
        self._most_losses = max(1, min(_LOSSES_OF_A_SUSPECT, max_attempts - 1))
        self._losses = 0
        self._answers = 0

    @property
    def must_be_alone(self) -> bool:
        """Whether the question is asked with no other in flight, lest it takes them with it."""
        return self._losses >= self._most_losses

    def note(self, error: ServiceError) -> None:
        """Takes what an attempt failed with."""
        if _is_loss(error):
            self._losses += 1
            if self._losses == self._most_losses:
                self._answers = self._gate.answers

    def is_confirmed_by(self, error: ServiceError) -> bool:
        """Whether the engine was lost to this question alone, while it answered others.

        Args:
            error: What the last attempt failed with; not noted yet.
        """
        answered_others = self._gate.answers > self._answers
        return self.must_be_alone and _is_loss(error) and answered_others


def _is_loss(error: ServiceError) -> bool:
    return error.reason in _LOSSES and not is_waited_for(error)
