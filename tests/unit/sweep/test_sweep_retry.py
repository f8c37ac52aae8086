"""When a failed question is asked again."""

import random
from collections.abc import Callable

import pytest

from services.core.errors import (
    DeadlineExceededError,
    DrainingError,
    EngineUnavailableError,
    ErrorReason,
    GenerationAbortedError,
    InternalError,
    ModelFailedError,
    ModelLoadingError,
    OverloadedError,
    ServiceError,
    UnauthenticatedError,
    service_error_classes,
)
from services.sweep.remote.retry import (
    RETRIED_REASONS,
    ConnectionLostError,
    RetryBudget,
    RetryLimits,
    budgets_within,
    concerns_model,
    is_final,
    is_waited_for,
)


class NoChance(random.Random):
    """Always draws the same number, so that delays can be computed by hand."""

    def __init__(self, drawn: float) -> None:
        super().__init__()
        self._drawn = drawn

    def random(self) -> float:
        return self._drawn


def budget(max_attempts: int = 4, max_wait_s: float = 100, drawn: float = 1.0) -> RetryBudget:
    return RetryBudget(RetryLimits(max_attempts, max_wait_s), NoChance(drawn))


LOST: list[Callable[[str], ServiceError]] = [
    EngineUnavailableError,
    DrainingError,
    GenerationAbortedError,
    DeadlineExceededError,
]


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_call_is_repeated_with_doubling_delays_until_the_attempts_are_used(
    kind: Callable[[str], ServiceError],
) -> None:
    patience = budget(max_attempts=4)
    delays = [patience.delay_after(kind("lost")) for _ in range(4)]
    assert delays == [0.5, 1.0, 2.0, None]
    assert patience.attempts == 4


def test_half_of_a_backoff_is_left_to_chance() -> None:
    assert budget(drawn=0.0).delay_after(DrainingError("going")) == 0.25
    assert budget(drawn=1.0).delay_after(DrainingError("going")) == 0.5


def test_backoff_does_not_grow_beyond_half_a_minute() -> None:
    patience = budget(max_attempts=100)
    delays = [patience.delay_after(DrainingError("going")) for _ in range(99)]
    # 0.5 · 2^5 = 16 s, then 32 s would follow.
    assert delays[5:8] == [16.0, 30.0, 30.0]
    assert delays[-1] == 30.0


def test_an_overloaded_service_is_given_the_time_that_it_asks_for() -> None:
    told = OverloadedError("full", retry_after_s=4.0)
    assert budget(drawn=0.0).delay_after(told) == 4.0
    assert budget(drawn=1.0).delay_after(told) == 5.0  # at most a quarter longer


def test_waiting_as_told_is_no_attempt_and_ends_with_the_time_for_it() -> None:
    patience = budget(max_attempts=1, max_wait_s=10, drawn=0.0)
    told = OverloadedError("full", retry_after_s=4.0)
    # After 4 and 8 s there is time left, after 12 s there is none.
    assert [patience.delay_after(told) for _ in range(4)] == [4.0, 4.0, 4.0, None]
    assert patience.attempts == 0


def test_a_loading_model_is_waited_for_with_backoff() -> None:
    patience = budget(max_attempts=1, max_wait_s=1)
    loading = ModelLoadingError("loading")
    assert [patience.delay_after(loading) for _ in range(3)] == [0.5, 1.0, None]


def test_a_loading_model_is_looked_for_every_few_seconds() -> None:
    patience = budget(max_wait_s=1000)
    delays = [patience.delay_after(ModelLoadingError("loading")) for _ in range(6)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def make(kind: type[ServiceError]) -> ServiceError:
    return kind("it failed")


WAITED_FOR = {ErrorReason.OVERLOADED, ErrorReason.MODEL_LOADING}
REPEATED = {make(kind).reason for kind in map(type, [kind("") for kind in LOST])}
GIVEN_UP = sorted(set(ErrorReason) - WAITED_FOR - REPEATED - {ErrorReason.INTERNAL})


@pytest.mark.parametrize("reason", GIVEN_UP)
def test_every_other_error_gives_the_question_up_at_once(reason: ErrorReason) -> None:
    assert budget().delay_after(make(service_error_classes()[reason])) is None
    assert reason not in RETRIED_REASONS


@pytest.mark.parametrize("reason", sorted(RETRIED_REASONS))
def test_after_every_reason_of_a_retry_the_question_is_asked_again(reason: ErrorReason) -> None:
    assert budget().delay_after(make(service_error_classes()[reason])) is not None


def test_a_fault_of_the_service_is_tried_once_more_and_by_the_next_run_again() -> None:
    patience, fault = budget(max_attempts=6), InternalError("a bug")
    assert [patience.delay_after(fault) for _ in range(2)] == [0.5, None]
    assert budget(max_attempts=1).delay_after(fault) is None
    assert not is_final(fault)


def test_only_errors_about_the_model_as_a_whole_set_it_aside() -> None:
    reasons = {
        reason for reason, kind in service_error_classes().items() if concerns_model(make(kind))
    }
    assert reasons == {
        ErrorReason.MODEL_FAILED,
        ErrorReason.MODEL_NOT_FOUND,
        ErrorReason.UNAUTHENTICATED,
        ErrorReason.PERMISSION_DENIED,
        ErrorReason.UNIMPLEMENTED,
    }


def test_a_failure_is_final_only_when_it_is_the_questions_own() -> None:
    final = {reason for reason, kind in service_error_classes().items() if is_final(make(kind))}
    assert final == {
        ErrorReason.INVALID_REQUEST,
        ErrorReason.IMAGE_INVALID,
        ErrorReason.IMAGE_TOO_LARGE,
        ErrorReason.PROMPT_TOO_LONG,
        ErrorReason.UNSUPPORTED_PARAMETER,
        ErrorReason.IMAGE_NOT_FOUND,
        ErrorReason.REQUEST_ID_CONFLICT,
    }
    assert not is_final(ModelFailedError("no memory"))
    assert not is_final(UnauthenticatedError("no token"))


def test_a_lost_connection_is_waited_for_every_few_seconds_and_costs_no_attempt() -> None:
    patience = budget(max_attempts=2, max_wait_s=20)
    delays = [patience.delay_after(ConnectionLostError("gone")) for _ in range(9)]
    # Doubling from 0.5 s to 4 s: 0.5 + 1 + 2 + 4 + 4 + 4 = 15.5, then 19.5, then beyond 20.
    assert delays == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, None]
    assert patience.attempts == 0


def test_a_lost_connection_is_told_from_an_engine_that_the_service_lost() -> None:
    assert is_waited_for(ConnectionLostError("gone"))
    assert not is_waited_for(EngineUnavailableError("lost"))
    assert ConnectionLostError("gone").reason is ErrorReason.ENGINE_UNAVAILABLE
    assert not is_final(ConnectionLostError("gone"))


def test_the_drivers_of_a_sweep_do_not_come_back_in_the_same_beats() -> None:
    limits = RetryLimits(max_attempts=2, max_wait_s=100)
    delays = {budgets_within(limits)().delay_after(DrainingError("going")) for _ in range(10)}
    assert len(delays) == 10
