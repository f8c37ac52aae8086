"""What is scored, and how it travels between the service and its workers."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass

from services.metrics import (
    METRICS,
    BoundaryRule,
    CaseRule,
    Score,
    ScoringOptions,
    Unscorable,
    UnscorableReason,
)

HEADER_BYTES = 4


@dataclass(frozen=True, slots=True)
class ScoringTask:
    """One explanation to be scored; valid.

    Attributes:
        candidate: The explanation.
        reference: The reference explanation.
        entities: The reference's entities.
        metrics: Names of the metrics wanted.
        options: How entities are looked for.
    """

    candidate: str
    reference: str
    entities: tuple[str, ...]
    metrics: tuple[str, ...]
    options: ScoringOptions

    @property
    def cost_bytes(self) -> int:
        """Roughly what the task occupies while it waits."""
        return 200 + len(self.candidate) + len(self.reference) + sum(map(len, self.entities))


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """A worker's answer to a task that it could not score.

    Attributes:
        description: The exception, for the log.
    """

    description: str


Answer = tuple[Score, ...] | WorkerFailure

# Plain tuples are pickled several times faster than dataclasses.
_PlainTask = tuple[str, str, tuple[str, ...], tuple[str, ...], str, str]
_PlainScore = tuple[float | str, tuple[float, ...]]


def frame(payload: bytes) -> bytes:
    """Prefixes a payload with its length, as both ends of a worker's pipes expect it."""
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


def encode_tasks(tasks: Sequence[ScoringTask]) -> bytes:
    """Writes a batch for a worker."""
    plain: list[_PlainTask] = [
        (
            task.candidate,
            task.reference,
            task.entities,
            task.metrics,
            task.options.case.value,
            task.options.boundary.value,
        )
        for task in tasks
    ]
    return pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)


def decode_tasks(payload: bytes) -> list[ScoringTask]:
    """Reads what :func:`encode_tasks` wrote; the bytes come from our own parent process."""
    plain: list[_PlainTask] = pickle.loads(payload)  # noqa: S301
    return [
        ScoringTask(
            candidate,
            reference,
            entities,
            metrics,
            ScoringOptions(CaseRule(case), BoundaryRule(boundary)),
        )
        for candidate, reference, entities, metrics, case, boundary in plain
    ]


def encode_answers(answers: Sequence[Answer]) -> bytes:
    """Writes a worker's answers to a batch."""
    plain: list[list[_PlainScore] | str] = [
        answer.description
        if isinstance(answer, WorkerFailure)
        else [
            (
                s.outcome.reason.value if isinstance(s.outcome, Unscorable) else s.outcome,
                s.statistics,
            )
            for s in answer
        ]
        for answer in answers
    ]
    return pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)


def decode_answers(payload: bytes, tasks: Sequence[ScoringTask]) -> list[Answer]:
    """Reads what :func:`encode_answers` wrote for these tasks.

    Raises:
        ValueError: There is not exactly one answer a task.
    """
    plain: list[list[_PlainScore] | str] = pickle.loads(payload)  # noqa: S301 - our own child
    answers: list[Answer] = []
    for task, answer in zip(tasks, plain, strict=True):
        if isinstance(answer, str):
            answers.append(WorkerFailure(answer))
            continue
        answers.append(
            tuple(
                Score(
                    name,
                    Unscorable(UnscorableReason(outcome)) if isinstance(outcome, str) else outcome,
                    statistics,
                    METRICS[name].sign(task.options),
                )
                for name, (outcome, statistics) in zip(task.metrics, answer, strict=True)
            )
        )
    return answers
