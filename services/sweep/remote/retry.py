"""When a failed question is asked again: rules by the class of the error.

==============================  ==============================================================
error                           what the sweep does
==============================  ==============================================================
OVERLOADED                      waits as told, for ``max_wait_s`` in all; no attempt is counted
MODEL_LOADING; the connection   waits with backoff, for ``max_wait_s`` in all, and looks again
was lost, or none could be      every few seconds: the model or the service may be there at any
made                            moment. None is counted. What was answered is answered again
ENGINE_UNAVAILABLE, DRAINING,   asks again with backoff, ``max_attempts`` times in all
GENERATION_ABORTED,
DEADLINE_EXCEEDED
INTERNAL                        asks again once: it is a fault of the service, and may pass
MODEL_FAILED, MODEL_NOT_FOUND,  gives the question up and sets the model aside for this run: the
UNAUTHENTICATED,                next question would fare no better
PERMISSION_DENIED,
UNIMPLEMENTED
all others                      gives the question up
==============================  ==============================================================

A later run asks again what failed for a reason that lies with the service or with the model as a
whole, and never again what failed for its own sake (its failure is *final*), unless it is told to
(``--retry-failed``). A reason that a newer service gives and this driver does not know counts as
INTERNAL.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from services.core.errors import (
    CallerError,
    EngineUnavailableError,
    ErrorReason,
    OverloadedError,
    ServiceError,
)

# A service that says nothing better is asked again after half a second, then ever more slowly.
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
# A call to a service or a model that is not there costs next to nothing, and an idle GPU a lot.
_LONGEST_LOOK_S = 4.0

_WAITS = frozenset({ErrorReason.OVERLOADED, ErrorReason.MODEL_LOADING})
_ASKS_AGAIN = frozenset(
    {
        ErrorReason.ENGINE_UNAVAILABLE,
        ErrorReason.DRAINING,
        ErrorReason.GENERATION_ABORTED,
        ErrorReason.DEADLINE_EXCEEDED,
    }
)
RETRIED_REASONS = _WAITS | _ASKS_AGAIN | {ErrorReason.INTERNAL}
"""Reasons after which a question may be asked again; after any other it is given up at once."""

# A fault mostly comes again with the same question, and each may cost the service a worker.
_ATTEMPTS_AT_A_FAULT = 2
_CONCERNS_MODEL = frozenset(
    {
        ErrorReason.MODEL_FAILED,
        ErrorReason.MODEL_NOT_FOUND,
        ErrorReason.UNAUTHENTICATED,
        ErrorReason.PERMISSION_DENIED,
        ErrorReason.UNIMPLEMENTED,
    }
)
# How the scoring service is set up, not what it was asked to score.
_CONCERNS_METRICS = frozenset({ErrorReason.METRIC_NOT_FOUND, ErrorReason.METRIC_UNAVAILABLE})


class ConnectionLostError(EngineUnavailableError):
    """The service said nothing: the connection to it was lost, or could not be made."""


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How patient a sweep is with one question.

    Attributes:
        max_attempts: Attempts before it counts as failed; waiting is no attempt.
        max_wait_s: Seconds that it may wait for a full, loading or lost service in all.
    """

    max_attempts: int
    max_wait_s: float


def concerns_model(error: ServiceError) -> bool:
    """Whether the model's other questions would fail in the same way."""
    return error.reason in _CONCERNS_MODEL


def is_final(error: ServiceError) -> bool:
    """Whether a later run should not ask the question again either."""
    is_callers = isinstance(error, CallerError)
    return is_callers and not (concerns_model(error) or error.reason in _CONCERNS_METRICS)


def is_waited_for(error: ServiceError) -> bool:
    """Whether the service may be well again by itself, however long that takes."""
    return error.reason in _WAITS or isinstance(error, ConnectionLostError)


@dataclass(slots=True)
class RetryBudget:
    """Counts one question's attempts and says how long to wait before the next.

    Attributes:
        limits: How patient to be.
        jitter: Random numbers that spread the waits of many questions.
        attempts: Attempts so far that count.
        waited_s: Seconds waited so far for a service that is full, loading or lost.
    """

    limits: RetryLimits
    jitter: random.Random
    attempts: int = 0
    waited_s: float = 0.0
    _waits: int = field(default=0, init=False)

    def delay_after(self, error: ServiceError) -> float | None:
        """Counts a failed attempt.

        Returns:
            Seconds to wait before asking again, or nothing when the question is given up.
        """
        if is_waited_for(error):
            return self._wait(error)
        self.attempts += 1
        if self.attempts < self._most_attempts(error):
            return self._backoff(self.attempts, _LONGEST_BACKOFF_S)
        return None

    def _most_attempts(self, error: ServiceError) -> int:
        if error.reason is ErrorReason.INTERNAL:
            return min(_ATTEMPTS_AT_A_FAULT, self.limits.max_attempts)
        return self.limits.max_attempts if error.reason in _ASKS_AGAIN else 1

    def _wait(self, error: ServiceError) -> float | None:
        if self.waited_s >= self.limits.max_wait_s:
            return None
        self._waits += 1
        if isinstance(error, OverloadedError):
            # Never before the time that was asked for, and not everybody at that very moment.
            delay = error.retry_after_s * (1 + self.jitter.random() / 4)
        else:
            delay = self._backoff(self._waits, _LONGEST_LOOK_S)
        self.waited_s += delay
        return delay

    def _backoff(self, count: int, longest_s: float) -> float:
        """Doubles from the first backoff to the longest; half of it is left to chance."""
        longest = min(longest_s, math.ldexp(_FIRST_BACKOFF_S, min(count - 1, 16)))
        return longest * (0.5 + self.jitter.random() / 2)


def budgets_within(limits: RetryLimits) -> Callable[[], RetryBudget]:
    """Gives what makes the budgets of a run.

    Their waits are drawn anew in every process: drivers that lost a service at the same moment
    must not all come back at the same moments.
    """
    jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
    return lambda: RetryBudget(limits, jitter)
