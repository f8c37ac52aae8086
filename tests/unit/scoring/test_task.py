"""What travels between the service and its workers."""

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.metrics import (
    METRICS,
    Score,
    ScoringInput,
    ScoringOptions,
    Unscorable,
    UnscorableReason,
    score_all,
)
from services.metrics.options import BoundaryRule, CaseRule, GeneratedEntitiesRule
from services.scoring.task import (
    Greeting,
    ScoringTask,
    WorkerFailure,
    decode_answers_and_report,
    decode_greeting,
    decode_tasks,
    encode_answers,
    encode_greeting,
    encode_tasks,
    frame,
    scores_to_pb,
)
from services.scoring.worker_report import WorkerReport

OPTIONS = ScoringOptions(CaseRule.INSENSITIVE, BoundaryRule.SUBSTRING)
NAMES = tuple(name for name, metric in METRICS.items() if not metric.needs_encoder)
TASK = ScoringTask("In Paris, 蒙娜.", "In Paris.", ("Paris",), NAMES, OPTIONS)


def test_tasks_arrive_as_they_were_sent() -> None:
    given = ScoringOptions(generated_entities=GeneratedEntitiesRule.GIVEN, encoder="mini|layer:3")
    other = ScoringTask("c", "r", (), ("ef1",), given, ("Rome", "蒙娜"))
    assert decode_tasks(encode_tasks([TASK, TASK, other])) == [TASK, TASK, other]


def test_a_greeting_arrives_as_it_was_given() -> None:
    for greeting in (Greeting(), Greeting(encoder="mini|layer:3"), Greeting(problem="no model")):
        assert decode_greeting(encode_greeting(greeting)) == greeting


def test_answers_arrive_as_they_were_given() -> None:
    item = ScoringInput(TASK.candidate, TASK.reference, TASK.entities, TASK.options)
    scores = scores_to_pb(score_all(item, TASK.metrics))
    answers = [scores, WorkerFailure("ValueError: no")]
    assert decode_answers_and_report(encode_answers(answers)) == (answers, None)


def test_a_report_travels_with_the_answers() -> None:
    report = WorkerReport((("ef1", 0.5),), 3, 1, 200, (0.25, 0.125), 5, 2)
    answers = [WorkerFailure("ValueError: no")]
    assert decode_answers_and_report(encode_answers(answers, report)) == (answers, report)
    assert decode_answers_and_report(encode_answers([], report)) == ([], report)


def test_scores_are_written_with_all_that_they_say() -> None:
    signature = "ef1|rules:expart-1"
    scored = Score("ef1", 0.25, (1.0, 2.0), signature)
    unscorable = Score("ef1", Unscorable(UnscorableReason.NO_ENTITIES), (0.0, 0.0), signature)
    written = scores_to_pb([scored, unscorable]).scores
    assert list(written) == [
        pb.Score(metric="ef1", value=0.25, statistics=[1, 2], signature=signature),
        pb.Score(
            metric="ef1",
            unscorable=pb.UNSCORABLE_REASON_NO_ENTITIES,
            statistics=[0, 0],
            signature=signature,
        ),
    ]


def test_a_value_of_zero_is_written_as_a_value() -> None:
    [score] = scores_to_pb([Score("ef1", 0.0, (0.0, 2.0), "s")]).scores
    assert score.WhichOneof("outcome") == "value"


def test_a_frame_starts_with_its_length() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"


def test_a_task_costs_at_least_its_text() -> None:
    assert TASK.cost_bytes >= len(TASK.candidate) + len(TASK.reference)
