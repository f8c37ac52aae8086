"""What is scored, and how it travels between the service and its workers."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.metrics import Score, ScoringOptions, Unscorable, UnscorableReason
from services.scoring.worker_report import WorkerReport

HEADER_BYTES = 4

# What a task occupies besides its texts, roughly.
_TASK_BYTES = 200
_ENTITY_BYTES = 50

_UNSCORABLE_REASONS = {
    reason: pb.UnscorableReason.Value(f"UNSCORABLE_REASON_{reason}") for reason in UnscorableReason
}


@dataclass(frozen=True, slots=True)
class ScoringTask:
    """One explanation to be scored; valid.

    Attributes:
        candidate: The explanation.
        reference: The reference explanation.
        entities: The reference's entities.
        metrics: Names of the metrics wanted.
        options: The choices that the benchmark leaves open.
        candidate_entities: The candidate's entities, where the options say that they are given.
    """

    candidate: str
    reference: str
    entities: tuple[str, ...]
    metrics: tuple[str, ...]
    options: ScoringOptions
    candidate_entities: tuple[str, ...] = ()

    @property
    def cost_bytes(self) -> int:
        """Roughly what the task occupies while it waits."""
        return (
            _TASK_BYTES
            + len(self.candidate)
            + len(self.reference)
            + sum(map(len, self.entities))
            + sum(map(len, self.candidate_entities))
            + _ENTITY_BYTES * (len(self.entities) + len(self.candidate_entities))
        )


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """A worker's answer to a task that it could not score.

    Attributes:
        description: The exception, for the log.
    """

    description: str


@dataclass(frozen=True, slots=True)
class Greeting:
    """A worker's first words: it is warm, or why it cannot work.

    Attributes:
        encoder: Signature of the encoder that it has loaded, if any.
        problem: One line for people saying what it cannot load; empty when it is warm.
    """

    encoder: str = ""
    problem: str = ""


Answer = pb.ItemScores | WorkerFailure
"""What a worker makes of one task: already in the form in which callers receive it."""

# Plain tuples are pickled several times faster than dataclasses. The tasks of a batch mostly share
# their options, which are then written once.
_PlainTask = tuple[str, str, tuple[str, ...], tuple[str, ...], ScoringOptions, tuple[str, ...]]


def frame(payload: bytes) -> bytes:
    """Prefixes a payload with its length, as both ends of a worker's pipes expect it."""
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


def encode_greeting(greeting: Greeting) -> bytes:
    """Writes a worker's first words."""
    return pickle.dumps((greeting.encoder, greeting.problem))


def decode_greeting(payload: bytes) -> Greeting:
    """Reads what :func:`encode_greeting` wrote."""
    return Greeting(*pickle.loads(payload))  # noqa: S301 - our own child wrote it


def encode_tasks(tasks: Sequence[ScoringTask]) -> bytes:
    """Writes a batch for a worker."""
    plain: list[_PlainTask] = [
        (
            task.candidate,
            task.reference,
            task.entities,
            task.metrics,
            task.options,
            task.candidate_entities,
        )
        for task in tasks
    ]
    return pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)


def decode_tasks(payload: bytes) -> list[ScoringTask]:
    """Reads what :func:`encode_tasks` wrote; the bytes come from our own parent process."""
    plain: list[_PlainTask] = pickle.loads(payload)  # noqa: S301 - from our own parent
    return [ScoringTask(*fields) for fields in plain]


def encode_answers(answers: Sequence[Answer], report: WorkerReport | None = None) -> bytes:
    """Writes a worker's answers to the next so many tasks of its batch, and maybe its report."""
    plain: list[bytes | str | tuple[object, ...]] = [
        answer.description if isinstance(answer, WorkerFailure) else answer.SerializeToString()
        for answer in answers
    ]
    if report is not None:
        plain.append(tuple(report))
    return pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)


def decode_answers_and_report(payload: bytes) -> tuple[list[Answer], WorkerReport | None]:
    """Reads what :func:`encode_answers` wrote."""
    plain = pickle.loads(payload)  # noqa: S301 - our own child wrote it
    report = WorkerReport(*plain.pop()) if plain and isinstance(plain[-1], tuple) else None
    return [
        WorkerFailure(answer) if isinstance(answer, str) else pb.ItemScores.FromString(answer)
        for answer in plain
    ], report


def scores_to_pb(scores: Sequence[Score]) -> pb.ItemScores:
    """Writes the scores of one item."""
    written = pb.ItemScores()
    for score in scores:
        if isinstance(score.outcome, Unscorable):
            written.scores.add(
                metric=score.metric,
                unscorable=_UNSCORABLE_REASONS[score.outcome.reason],
                statistics=score.statistics,
                signature=score.signature,
            )
        else:
            written.scores.add(
                metric=score.metric,
                value=score.outcome,
                statistics=score.statistics,
                signature=score.signature,
            )
    return written
