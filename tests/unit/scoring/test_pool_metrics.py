"""How busy workers are, and what they tell of their work."""

import time

import pytest

from services.metrics import METRICS, ScoringInput, ScoringOptions, score_all
from services.metrics.fake_encoder import FakeEncoder
from services.scoring.pool_metrics import PoolMetrics
from services.scoring.task import ScoringTask, WorkerFailure
from services.scoring.worker import BatchScorer
from services.scoring.worker_report import SAMPLED_ITEMS, EncoderWork, WorkerReport
from services.telemetry.declarations import Buckets
from services.telemetry.instruments import Metrics
from services.telemetry.scoring_metrics import ScoringMetrics

NAMES = tuple(name for name, metric in METRICS.items() if not metric.needs_encoder)


class Clock:
    """A clock that a test turns."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def pool(clock: Clock) -> tuple[Metrics, PoolMetrics]:
    metrics = Metrics()
    return metrics, PoolMetrics(metrics, "cpu", wanted=2, up=lambda: 1, clock=clock)


def test_a_worker_is_busy_from_its_first_batch_until_it_has_answered_the_last() -> None:
    clock = Clock()
    metrics, counted = pool(clock)
    counted.sent(11, 4)
    clock.now_s = 1.0
    counted.sent(11, 2)  # waits in the worker's pipe
    counted.sent(12, 1)
    clock.now_s = 2.0
    # Nobody has answered yet: 2 s of one, 1 s of the other.
    assert metrics.values(ScoringMetrics.WORKER_BUSY_SECONDS) == {("cpu",): 3.0}
    counted.answered(11, batches_left=1)
    counted.answered(12, batches_left=0)
    clock.now_s = 5.0
    counted.answered(11, batches_left=0)
    counted.answered(11, batches_left=0)  # as when it is lost while it has nothing to do
    clock.now_s = 9.0
    assert metrics.values(ScoringMetrics.WORKER_BUSY_SECONDS) == {("cpu",): 6.0}
    batches = metrics.values(ScoringMetrics.BATCH_ITEMS)["cpu",]
    assert isinstance(batches, Buckets)
    assert (batches.cumulative[-1][1], batches.sum) == (3, 7)
    assert metrics.values(ScoringMetrics.WORKERS) == {("cpu", "wanted"): 2, ("cpu", "up"): 1}


def test_what_is_told_of_busy_workers_never_goes_back() -> None:
    clock = Clock()
    metrics, counted = pool(clock)
    counted.sent(11, 1)
    clock.now_s = 7.0
    assert metrics.values(ScoringMetrics.WORKER_BUSY_SECONDS) == {("cpu",): 7.0}
    clock.now_s = 6.5  # a scrape in another thread, which looked at the clock a moment before
    assert metrics.values(ScoringMetrics.WORKER_BUSY_SECONDS) == {("cpu",): 7.0}


def test_reports_are_added_up() -> None:
    metrics, counted = pool(Clock())
    counted.reported(WorkerReport((("ef1", 0.5), ("bleu", 0.25)), 3, 1))
    counted.reported(WorkerReport((("ef1", 0.25),), 1, 0, 200, (0.5, 0.25), 4, 2))
    seconds = metrics.values(ScoringMetrics.METRIC_SECONDS)
    assert set(seconds) == {(name,) for name in METRICS}  # from 0 on
    assert {name: total for (name,), total in seconds.items() if total} == {
        "ef1": 0.75,
        "bleu": 0.25,
    }
    assert metrics.values(ScoringMetrics.REFERENCE_LOOKUPS) == {("hit",): 4, ("miss",): 1}
    assert metrics.values(ScoringMetrics.EMBEDDING_LOOKUPS) == {("hit",): 4, ("miss",): 2}
    assert metrics.values(ScoringMetrics.ENCODER_TOKENS) == {(): 200}
    embedded = metrics.values(ScoringMetrics.ENCODER_BATCH_SECONDS)[()]
    assert isinstance(embedded, Buckets)
    assert (embedded.cumulative[-1][1], embedded.sum) == (2, 0.75)


def task(number: int, metrics: tuple[str, ...] = NAMES) -> ScoringTask:
    reference = f"Reference {number // 3} in Paris."
    options = ScoringOptions()
    return ScoringTask(f"Candidate {number}.", reference, ("Paris",), metrics, options)


def test_a_worker_measures_one_item_of_some_and_scores_it_as_all_others() -> None:
    tasks = [task(number) for number in range(2 * SAMPLED_ITEMS)]
    scorer = BatchScorer()
    answers = [answer for ready in scorer.score(tasks) for answer in ready]
    for asked, answer in zip(tasks, answers, strict=True):
        assert not isinstance(answer, WorkerFailure)
        item = ScoringInput(asked.candidate, asked.reference, asked.entities, asked.options)
        expected = score_all(item, asked.metrics)
        assert [score.metric for score in answer.scores] == list(NAMES)
        assert [list(score.statistics) for score in answer.scores] == [
            list(score.statistics) for score in expected
        ]
    report = scorer.report()
    assert {metric for metric, _ in report.metric_seconds} == set(NAMES)
    assert all(duration_s >= 0 for _, duration_s in report.metric_seconds)
    # 34 items, three a reference: 12 of them are new.
    assert (report.reference_hits, report.reference_misses) == (22, 12)
    assert scorer.report() == WorkerReport()  # all has been told


def test_what_is_measured_stands_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # A processor's clock that goes on by a second whenever it is read.
    seconds = iter(range(10_000))
    monkeypatch.setattr(time, "thread_time", lambda: float(next(seconds)))
    scorer = BatchScorer()
    list(scorer.score([task(number, ("ef1", "length")) for number in range(3 * SAMPLED_ITEMS)]))
    # Measured three times, a second each, for 17 items each.
    assert dict(scorer.report().metric_seconds) == {"ef1": 51.0, "length": 51.0}


def test_a_worker_tells_what_its_encoder_notes_and_then_forgets_it() -> None:
    work = EncoderWork()
    scorer = BatchScorer(FakeEncoder(), encoder_work=work)
    work.note_lookups(5, 2)
    work.note_batch(30, 0.5)
    work.note_batch(12, 0.25)
    assert scorer.report() == WorkerReport(
        encoder_tokens=42, encoder_batch_seconds=(0.5, 0.25), embedding_hits=3, embedding_misses=2
    )
    assert scorer.report() == WorkerReport()
