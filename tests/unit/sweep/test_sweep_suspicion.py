"""Which question is taken for what an engine dies of."""

from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
    ServiceError,
)
from services.sweep.remote.retry import ConnectionLostError
from services.sweep.run.concurrency import ConcurrencyController
from services.sweep.run.concurrency_gate import ConcurrencyGate
from services.sweep.run.suspicion import Suspicion

LOST = EngineUnavailableError("lost")
ABORTED = GenerationAbortedError("lost")


def suspicion_after(
    *errors: ServiceError, max_attempts: int = 6
) -> tuple[Suspicion, ConcurrencyGate]:
    gate = ConcurrencyGate(ConcurrencyController(1, 4))
    suspicion = Suspicion(gate, max_attempts)
    for error in errors:
        suspicion.note(error)
    return suspicion, gate


def test_a_question_is_asked_alone_once_it_was_there_at_three_losses() -> None:
    assert not suspicion_after(LOST, ABORTED)[0].must_be_alone
    assert suspicion_after(LOST, ABORTED, LOST)[0].must_be_alone


def test_the_last_attempt_after_losses_is_made_alone() -> None:
    assert suspicion_after(LOST, max_attempts=2)[0].must_be_alone
    assert not suspicion_after(max_attempts=1)[0].must_be_alone


def test_a_lost_connection_and_a_deadline_say_nothing_of_the_question() -> None:
    others = [ConnectionLostError("gone"), DeadlineExceededError("late")] * 3
    assert not suspicion_after(*others)[0].must_be_alone


def test_it_is_confirmed_when_the_engine_answered_others_and_is_lost_to_it_alone() -> None:
    suspicion, gate = suspicion_after(LOST, LOST, LOST)
    assert not suspicion.is_confirmed_by(LOST)  # an engine that is lost to everybody is broken
    gate.answered(0, 0.0, 1.0)
    assert suspicion.is_confirmed_by(LOST)
    assert not suspicion.is_confirmed_by(DeadlineExceededError("late"))


def test_answers_from_before_the_losses_confirm_nothing() -> None:
    gate = ConcurrencyGate(ConcurrencyController(1, 4))
    suspicion = Suspicion(gate, 6)
    gate.answered(0, 0.0, 1.0)
    for _ in range(3):
        suspicion.note(LOST)
    assert not suspicion.is_confirmed_by(LOST)
