"""What travels between the service and its workers."""

import pytest

from services.metrics import METRICS, ScoringInput, ScoringOptions, UnscorableReason, score_all
from services.metrics.options import BoundaryRule, CaseRule
from services.scoring.task import (
    ScoringTask,
    WorkerFailure,
    decode_answers,
    decode_tasks,
    encode_answers,
    encode_tasks,
    frame,
)

OPTIONS = ScoringOptions(CaseRule.INSENSITIVE, BoundaryRule.SUBSTRING)
NAMES = tuple(name for name, metric in METRICS.items() if not metric.needs_encoder)
TASK = ScoringTask("In Paris, 蒙娜.", "In Paris.", ("Paris",), NAMES, OPTIONS)


def test_tasks_arrive_as_they_were_sent() -> None:
    assert decode_tasks(encode_tasks([TASK, TASK])) == [TASK, TASK]


def test_answers_arrive_as_they_were_given() -> None:
    item = ScoringInput(TASK.candidate, TASK.reference, TASK.entities, TASK.options)
    scores = score_all(item, TASK.metrics)
    # One entity alone: values, and no pairs for co-occurrence.
    assert any(score.value is not None for score in scores)
    assert UnscorableReason.NO_REFERENCE_PAIRS in {
        getattr(score.outcome, "reason", None) for score in scores
    }
    answers = [scores, WorkerFailure("ValueError: no")]
    assert decode_answers(encode_answers(answers), [TASK, TASK]) == answers


def test_answers_that_do_not_fit_the_tasks_are_an_error() -> None:
    payload = encode_answers([WorkerFailure("no")])
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        decode_answers(payload, [TASK, TASK])


def test_a_frame_starts_with_its_length() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"


def test_a_task_costs_at_least_its_text() -> None:
    assert TASK.cost_bytes >= len(TASK.candidate) + len(TASK.reference)
