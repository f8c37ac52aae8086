"""What is said at the end, and on the way."""

import io

import pytest
from rich.console import Console

from services.metrics import METRICS, Score, ScoringOptions, Unscorable, UnscorableReason
from services.scoring.score_file.progress import ScoringProgress
from services.scoring.score_file.row import BrokenRow, FileRow
from services.scoring.score_file.row_scorer import ScoredMetric
from services.scoring.score_file.score_columns import ScoredRow
from services.scoring.score_file.summary import FileSummary, MetricSummary
from services.scoring.score_file.tally import Tally

SIGNATURES = {name: METRICS[name].sign(ScoringOptions()) for name in ("rouge_1", "length")}
COLUMNS = tuple(
    ScoredMetric(name, SIGNATURES[name], METRICS[name].statistic_names, METRICS[name].max_value)
    for name in SIGNATURES
)


def rouge(precision: float, recall: float, f: float, units: tuple[int, int, int]) -> Score:
    return Score("rouge_1", f, (precision, recall, *map(float, units)), SIGNATURES["rouge_1"])


def length(tokens: float | None) -> Score:
    outcome = Unscorable(UnscorableReason.NO_ENTITIES) if tokens is None else tokens
    statistics = (tokens or 0.0,) * len(METRICS["length"].statistic_names)
    return Score("length", outcome, statistics, SIGNATURES["length"])


@pytest.fixture
def summary() -> FileSummary:
    tally = Tally(COLUMNS)
    # Precision 1/2 and 1/4, recall 1/1 and 1/1: 2 matched units of 2 + 4 and of 1 + 1.
    tally.add(
        ScoredRow.scored(FileRow(1, "a", "", "x"), (rouge(0.5, 1, 2 / 3, (1, 2, 1)), length(2)))
    )
    tally.add_broken(BrokenRow(2, "b", "reference is missing"))
    tally.add(
        ScoredRow.scored(FileRow(3, "c", "", "x"), (rouge(0.25, 1, 0.4, (1, 4, 1)), length(None)))
    )
    return FileSummary(
        file="rows.jsonl",
        unit="line",
        place="this machine",
        scored_count=tally.scored_count,
        skipped_count=tally.skipped_count,
        first_broken=tally.first_broken,
        metrics=[MetricSummary(metric, sums) for metric, sums in tally.results().items()],
        elapsed_s=1.25,
    )


def test_the_json_says_everything_under_its_documented_keys(summary: FileSummary) -> None:
    assert summary.to_json() == {
        "file": "rows.jsonl",
        "scored_by": "this machine",
        "rows": {"read": 3, "scored": 2, "skipped": 1},
        "skipped_rows": [{"row": 2, "id": "b", "problem": "reference is missing"}],
        "metrics": {
            "rouge_1": {
                "mean": pytest.approx((2 / 3 + 0.4) / 2),
                "precision": 0.375,
                "recall": 1.0,
                # Twice the 2 matched units by the 6 + 2 that there are.
                "corpus_value": 0.5,
                "scored": 2,
                "unscorable": {},
                "signature": f"{SIGNATURES['rouge_1']}|mean:macro",
                "corpus_signature": f"{SIGNATURES['rouge_1']}|mean:micro",
                "statistics": {
                    "precision": 0.75,
                    "recall": 2.0,
                    "matched": 2.0,
                    "candidate_units": 6.0,
                    "reference_units": 2.0,
                },
            },
            "length": {
                "mean": 2.0,
                "precision": None,
                "recall": None,
                "corpus_value": None,
                "scored": 1,
                "unscorable": {"NO_ENTITIES": 1},
                "signature": f"{SIGNATURES['length']}|mean:macro",
                "corpus_signature": None,
                "statistics": dict.fromkeys(METRICS["length"].statistic_names, 2.0),
            },
        },
        "elapsed_s": 1.25,
    }


def test_the_table_multiplies_by_a_hundred_what_is_a_share(summary: FileSummary) -> None:
    lines = summary.to_text().splitlines()
    # (2/3 + 0.4) / 2 = 0.5333
    assert lines[2].split() == ["rouge_1", "53.33", "37.50", "100.00", "50.00", "2", "0"]
    assert lines[3].split() == ["length", "2.0", "-", "-", "-", "1", "1"]
    assert "2 rows scored by this machine in 1.2 s; 1 row skipped as broken" in lines
    assert "Unscorable, NO_ENTITIES: 1 row (length)" in lines
    assert lines[-2:] == [f"  {SIGNATURES[name]}|mean:macro" for name in ("rouge_1", "length")]


class SteppedClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_without_a_terminal_a_plain_line_says_now_and_then_how_far_it_is() -> None:
    stream, clock = io.StringIO(), SteppedClock()
    with ScoringProgress(Console(file=stream), clock) as progress:
        for second in range(26):
            clock.now_s = float(second)
            progress.update(second * 100, second, second / 50)
    # After 10 s a fifth is done, and four fifths take four times as long.
    assert stream.getvalue().splitlines() == [
        "scoring: 20%, 1,000 scored, 10 skipped, 101/s, 0:40 left",
        "scoring: 40%, 2,000 scored, 20 skipped, 101/s, 0:30 left",
    ]


def test_without_a_known_size_no_end_is_promised() -> None:
    stream, clock = io.StringIO(), SteppedClock()
    with ScoringProgress(Console(file=stream), clock) as progress:
        clock.now_s = 10.0
        progress.update(1, 0, None)
    assert stream.getvalue() == "scoring: 1 scored, 0/s\n"
