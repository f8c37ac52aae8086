"""Tasks that wait for their scores, and what becomes of those whose worker is lost."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import DrainingError, InternalError, ServiceError
from services.scoring.task import ScoringTask

# A task whose worker was lost is scored once more, alone, in case it was the cause.
_MAX_LOSSES = 2


@dataclass(slots=True, eq=False)
class Pending:
    """A task that waits for its scores.

    Attributes:
        task: The task.
        scores: Where its caller waits.
        losses: How many workers were lost at it.
        context: What its caller's call is known by in the log.
    """

    task: ScoringTask
    scores: asyncio.Future[pb.ItemScores]
    losses: int = 0
    context: Context = field(default_factory=copy_context)


Batch = deque[Pending]
"""Tasks that a worker was given together; those that it has answered are gone from it."""


def fail(waiting: Iterable[Pending], error: ServiceError) -> None:
    """Answers tasks that will not be scored.

    They are never cancelled: that is for their callers, who would take it for their own doing.
    """
    for pending in waiting:
        if not pending.scores.done():
            pending.scores.set_exception(error)
            pending.scores.exception()  # there may be nobody left to look at it


def stopping() -> DrainingError:
    """Makes the error of tasks that the end of the service finds waiting."""
    return DrainingError("the service is shutting down; send this to another one")


def without_withdrawn(batch: Batch) -> Batch:
    """Leaves out those that nobody waits for any more."""
    return deque(pending for pending in batch if not pending.scores.done())


def blame(lost: Sequence[Batch]) -> None:
    """Gives up the tasks at which a worker was lost for the last time.

    A worker answers batch after batch, so that it was at the first of those it had.
    """
    for pending in lost[0] if lost else ():
        pending.losses += 1
        if pending.losses >= _MAX_LOSSES and not pending.scores.done():
            error = InternalError("a worker was lost twice while it scored this item")
            pending.scores.set_exception(error)


def second_chances(lost: Sequence[Batch]) -> list[Batch]:
    """Says in which batches to score a lost worker's tasks again: its first batch one by one."""
    first = lost[0] if lost else ()
    return [*(deque((pending,)) for pending in first), *list(lost)[1:]]
