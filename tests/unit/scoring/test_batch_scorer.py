"""How a worker goes through a batch."""

import pytest

from services.metrics import ScoringOptions
from services.metrics.fake_encoder import FakeEncoder
from services.scoring import worker
from services.scoring.task import ScoringTask
from services.scoring.worker import BatchScorer


def tasks(count: int) -> list[ScoringTask]:
    options = ScoringOptions(encoder=FakeEncoder().signature)
    return [
        ScoringTask(f"candidate {number}", f"reference {number}", (), ("bertscore",), options)
        for number in range(count)
    ]


def test_texts_are_embedded_a_part_of_the_batch_at_a_time_and_its_answers_follow_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A machine may be too slow for two answers to come within the time that one is held back.
    monkeypatch.setattr(worker, "_HOLD_BACK_S", 60.0)
    batch = tasks(5)
    encoder = FakeEncoder()
    # Two tasks fit, a third would not.
    answers = BatchScorer(encoder, batch[0].cost_bytes * 2).score(batch)
    embedded = []
    answered = 0
    for ready in answers:
        answered += len(ready)
        embedded.append((len(encoder.encoded), answered))
    # Two texts a task: the answers of each part come before the next part is embedded.
    assert embedded == [(4, 2), (8, 4), (10, 5)]


def test_a_task_larger_than_a_part_is_scored_alone() -> None:
    encoder = FakeEncoder()
    assert [len(ready) for ready in BatchScorer(encoder, 1).score(tasks(3))] == [1, 1, 1]
