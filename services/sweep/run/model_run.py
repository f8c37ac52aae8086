"""Asks one model its questions, one artwork after the other, until all are settled."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import structlog

from services.sweep.plan.plan import Job
from services.sweep.results.rows import GenerationRow
from services.sweep.run.asking import Answered, Asker, Failed
from services.sweep.run.concurrency import ConcurrencyController
from services.sweep.run.concurrency_gate import ConcurrencyGate
from services.sweep.run.traced_question import traced_question
from services.telemetry.tracing import Attribute

_log = structlog.get_logger()


class ModelRun:
    """One model's part of a run.

    Args:
        label: How tables name the model.
        jobs: Its questions, in the order in which they are to be asked.
        asker: Asks them.
        controller: Says how many may be in flight.
        most: Most questions that are taken up at a time.
        set_aside_after: Failures by the service's fault, with no answer in between, after which
            the model is left for this run.
        answered: Takes an answer.
        failed: Takes a failure.
        note: Takes a remark for people.
        room: Waits until there is room for one more answer, or it is over.

    Attributes:
        gate: Knows how many questions are in flight.
        set_aside: Why the model is asked no more, if it is so.
    """

    def __init__(
        self,
        label: str,
        jobs: Sequence[Job],
        *,
        asker: Asker,
        controller: ConcurrencyController,
        most: int,
        set_aside_after: int,
        answered: Callable[[Job, GenerationRow], None],
        failed: Callable[[Job, Failed], None],
        note: Callable[[str], None],
        room: Callable[[asyncio.Event], Awaitable[None]] | None = None,
    ) -> None:
        self.label = label
        self._jobs = jobs
        self._asker = asker
        self._most = most
        self._set_aside_after = set_aside_after
        self._answered = answered
        self._failed = failed
        self._note = note
        self._room = room
        self._over = asyncio.Event()
        self._failures_in_a_row = 0
        self.gate = ConcurrencyGate(controller)
        self.set_aside = ""

    async def run(self) -> None:
        """Asks until nothing is left, the model is set aside, or it is stopped."""
        _log.info("model_begun", model=self.label, questions=len(self._jobs))
        waiting = iter(self._jobs)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._most, len(self._jobs))):
                group.create_task(self._ask_in_turn(waiting))
        _log.info("model_ended", model=self.label, set_aside=self.set_aside)

    def stop(self) -> None:
        """Lets what is in flight end, and asks nothing more."""
        self._over.set()
        self.gate.close()

    async def _ask_in_turn(self, waiting: Iterator[Job]) -> None:
        """Asks one question after the other; several of these share the same iterator."""
        for job in waiting:
            if self._room is not None:
                await self._room(self._over)
            if self._over.is_set():
                return
            with traced_question(job) as span:
                match await self._asker.ask(job, self.gate, self._over):
                    case Answered(row=row):
                        self._failures_in_a_row = 0
                        span.set({Attribute.ATTEMPTS: row.attempts})
                        self._answered(job, row)
                    case Failed(row=row) as failed:
                        span.set({Attribute.ATTEMPTS: row.attempts})
                        span.fail(row.reason)
                        self._failed(job, failed)
                        self._judge(failed)
                    case None:
                        span.set({Attribute.CANCELLED: True})
                        return

    def _judge(self, failed: Failed) -> None:
        """Sets the model aside if its other questions would fare no better."""
        self._failures_in_a_row += not failed.is_questions_own
        too_many = self._failures_in_a_row >= self._set_aside_after
        if self._over.is_set() or not (failed.sets_model_aside or too_many):
            return
        row = failed.row
        count = "" if failed.sets_model_aside else f"{self._failures_in_a_row} failures in a row; "
        self.set_aside = f"{row.reason}: {row.message}"
        _log.error("model_set_aside", model=self.label, reason=row.reason, message=row.message)
        self._note(f"{self.label} is set aside for this run: {count}{self.set_aside}")
        self.stop()
