"""Asks one question until it is answered, fails, or the sweep is stopped."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.benchmark.images import PictureMissingError
from services.core.errors import (
    DeadlineExceededError,
    ErrorReason,
    OverloadedError,
    ServiceError,
    TransientError,
)
from services.sweep.plan.plan import Job
from services.sweep.remote.clients import GenerationClient
from services.sweep.remote.messages import Explanation, ExplanationRequest
from services.sweep.remote.retry import RetryBudget, concerns_model, is_final, is_waited_for
from services.sweep.results.rows import FailureRow, GenerationRow, Stage, SweepFailure
from services.sweep.run.concurrency_gate import ConcurrencyGate
from services.sweep.run.suspicion import Suspicion
from services.sweep.spec.spec import SweepSpec


@dataclass(frozen=True, slots=True)
class Answered:
    """A question was answered.

    Attributes:
        row: What is to be stored.
    """

    row: GenerationRow


@dataclass(frozen=True, slots=True)
class Failed:
    """A question failed.

    Attributes:
        row: What is to be stored.
        sets_model_aside: Whether the model's other questions would fail in the same way.
        ends_engine: Whether the engine was lost to this question alone, and answered others.
    """

    row: FailureRow
    sets_model_aside: bool = False
    ends_engine: bool = False

    @property
    def is_questions_own(self) -> bool:
        """Whether it says nothing about how the model would fare with other questions."""
        is_missing = self.row.reason == SweepFailure.PICTURE_MISSING
        return self.row.final or self.ends_engine or is_missing


class Asker:
    """Asks questions of the generation service, with retries.

    Args:
        client: The generation service.
        spec: Says how to ask.
        new_budget: Makes the retry budget of one question.
        retried: Told of every question that is to be asked again: model, reason and delay in s.
    """

    def __init__(
        self,
        client: GenerationClient,
        spec: SweepSpec,
        *,
        new_budget: Callable[[], RetryBudget],
        retried: Callable[[str, ErrorReason, float], None],
    ) -> None:
        self._client = client
        self._spec = spec
        self._new_budget = new_budget
        self._retried = retried

    async def ask(
        self, job: Job, gate: ConcurrencyGate, over: asyncio.Event
    ) -> Answered | Failed | None:
        """Asks one question.

        A question that waits to be asked again is not in flight: where fewer may be than are taken
        up, another takes its turn. One that was there at several losses of the engine is asked
        alone from then on.

        Args:
            job: The question.
            gate: Lets the model's questions in.
            over: When set, nothing is asked again.

        Returns:
            What came of it, or nothing when all is over before an answer.
        """
        budget = self._new_budget()
        suspicion = Suspicion(gate, budget.limits.max_attempts)
        started, answers = time.monotonic(), gate.answers
        while True:
            try:
                explanation = await self._attempt(job, gate, alone=suspicion.must_be_alone)
            except PictureMissingError as missing:
                return Failed(picture_failure(job, str(missing)))
            except ServiceError as error:
                delay = budget.delay_after(error)
                if is_waited_for(error):
                    # Waited for so long, and nobody else was answered either.
                    in_vain = delay is None and gate.answers == answers
                else:
                    in_vain = error.retryable and gate.in_vain_s >= budget.limits.max_wait_s
                if delay is None or in_vain:
                    return Failed(
                        service_failure(job, error, budget.attempts),
                        sets_model_aside=concerns_model(error) or in_vain,
                        ends_engine=suspicion.is_confirmed_by(error),
                    )
                suspicion.note(error)
                self._retried(job.model.label, error.reason, delay)
                if await _set_within(over, delay):
                    return None
            else:
                if explanation is None:
                    return None
                return _check(job, explanation, budget.attempts + 1, started)

    async def _attempt(self, job: Job, gate: ConcurrencyGate, *, alone: bool) -> Explanation | None:
        """Asks once, when it is the question's turn; its outcome moves the gate's limit."""
        number = await gate.enter(alone=alone)
        if number is None:
            return None
        answers = gate.answers
        try:
            explanation = await self._client.explain(self._request(job), self._spec.deadline_s)
        except OverloadedError:
            gate.refused(number)
            raise
        except DeadlineExceededError:
            # Where nobody was answered meanwhile, fewer at a time would fare no better.
            if gate.answers > answers:
                gate.refused(number)
            else:
                gate.lost()
            raise
        except TransientError:
            gate.lost()
            raise
        else:
            gate.answered(number, explanation.waited_s, explanation.served_s)
            return explanation
        finally:
            gate.leave()

    def _request(self, job: Job) -> ExplanationRequest:
        return ExplanationRequest(
            request_id=job.key,
            model=job.model.choice.model,
            adapter=job.model.choice.adapter,
            image=job.image or "",
            image_digest=job.image_digest,
            instruction=job.instruction,
            system_text=job.system_text,
            sampling=job.sampling,
        )


async def _set_within(event: asyncio.Event, delay_s: float) -> bool:
    try:
        async with asyncio.timeout(delay_s):
            return await event.wait()
    except TimeoutError:
        return False


def _check(job: Job, explanation: Explanation, attempts: int, started: float) -> Answered | Failed:
    """Compares what was asked for with what the service says it ran."""
    for what, wanted, attested in (
        ("model", job.model.choice.model, explanation.model),
        ("revision", job.model.description.revision, explanation.revision),
        ("adapter", job.model.choice.adapter, explanation.adapter),
        ("adapter revision", job.model.adapter_revision, explanation.adapter_revision),
        (
            "configuration",
            job.model.description.configuration_digest,
            explanation.configuration_digest,
        ),
        (
            "chat template",
            job.model.description.chat_template_digest,
            explanation.chat_template_digest,
        ),
        ("image digest", job.image_digest, explanation.image_digest),
    ):
        if wanted != attested:
            message = (
                f"planned with {what} '{wanted}', but the service attests '{attested}': plan "
                "the sweep again with the catalog that is served"
            )
            row = _failure(
                job,
                Stage.GENERATION,
                SweepFailure.PROVENANCE_MISMATCH,
                message,
                final=False,
                attempts=attempts,
            )
            return Failed(row, sets_model_aside=what != "image digest")
    return Answered(_generation_row(job, explanation, attempts, time.monotonic() - started))


def picture_failure(job: Job, message: str) -> FailureRow:
    """Records that a question's picture is missing; with the picture comes another key."""
    return _failure(
        job, Stage.GENERATION, SweepFailure.PICTURE_MISSING, message, final=False, attempts=0
    )


def service_failure(
    job: Job, error: ServiceError, attempts: int, stage: Stage = Stage.GENERATION
) -> FailureRow:
    """Records what a service answered last."""
    final = is_final(error)
    return _failure(job, stage, error.reason, error.message, final=final, attempts=attempts)


def _failure(
    job: Job, stage: Stage, reason: str, message: str, *, final: bool, attempts: int
) -> FailureRow:
    return FailureRow(
        key=job.key,
        model=job.model.choice.model,
        adapter=job.model.choice.adapter,
        question=job.question.id,
        setting=job.question.setting,
        split=job.question.split,
        stage=stage,
        reason=reason,
        final=final,
        message=message,
        attempts=attempts,
        reference_digest=job.reference_digest,
        failed_at=datetime.now(UTC),
    )


def _generation_row(
    job: Job, explanation: Explanation, attempts: int, elapsed_s: float
) -> GenerationRow:
    question = job.question
    return GenerationRow(
        key=job.key,
        model=explanation.model,
        adapter=explanation.adapter,
        revision=explanation.revision,
        question=question.id,
        question_id=question.question_id,
        artwork=question.artwork,
        section=question.section,
        setting=question.setting,
        split=question.split,
        instruction=job.instruction,
        text=explanation.text,
        finish_reason=explanation.finish_reason,
        truncated=explanation.truncated,
        prompt_token_count=explanation.prompt_token_count,
        image_token_count=explanation.image_token_count,
        generated_token_count=explanation.generated_token_count,
        admission_s=explanation.admission_s,
        queue_s=explanation.queue_s,
        prefill_s=explanation.prefill_s,
        decode_s=explanation.decode_s,
        first_token_s=explanation.first_token_s,
        total_s=explanation.total_s,
        elapsed_s=elapsed_s,
        attempts=attempts,
        engine=explanation.engine,
        engine_version=explanation.engine_version,
        dtype=explanation.dtype,
        quantization=explanation.quantization,
        sampling=explanation.sampling,
        image_digest=explanation.image_digest,
        chat_template_digest=explanation.chat_template_digest,
        gpu_count=explanation.gpu_count,
        configuration_digest=explanation.configuration_digest,
        adapter_revision=explanation.adapter_revision,
        generated_at=datetime.now(UTC),
        prompt=job.variant.prompt.name,
        sampling_name=job.variant.sampling.name,
        control=job.variant.control,
        replicate=job.variant.replicate,
    )
