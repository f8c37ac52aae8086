"""How fast answers came, computed by hand."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from services.sweep.report.gathering import gather_evidence
from services.sweep.report.knowledge.pace import AnswerTimes, bin_width, pace_of, paces
from services.sweep.report.sources import open_sources
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.finished_sweep import GENERATION
from tests.unit.sweep.report.reported_sweep import NOW, finish_sweep

SECOND = 1_000_000
NOW_US = int(NOW.timestamp()) * SECOND


def times(**columns: list[float]) -> AnswerTimes:
    """Answers that end 1, 2, 3, … seconds after a moment, but for what is said otherwise."""
    count = len(next(iter(columns.values())))
    ended = columns.pop("ended_s", [float(number + 1) for number in range(count)])
    filled = {
        name: np.array(columns.get(name, [0.0] * count), np.float64)
        for name in ("total_s", "first_token_s", "decode_s", "tokens")
    }
    return AnswerTimes(ended_us=NOW_US + (np.array(ended) * SECOND).astype(np.int64), **filled)


def test_rates_are_answers_a_second_in_bins_from_the_reports_beginning() -> None:
    # In bins of 2 s from 2 s before: two answers at 0.5 s and 1 s, three at 4 s, the last at 6 s.
    ended = [0.5, 1.0, 4.0, 4.0, 4.0, 6.0]
    pace = pace_of("alpha", "mini", times(ended_s=ended), NOW_US - 2 * SECOND, 2.0)
    assert pace.rates == (0.0, 1.0, 0.0, 1.5, 0.5)
    assert pace.bin_s == 2.0
    assert pace.answers == 6


def test_an_answer_is_under_way_before_its_end() -> None:
    found = pace_of("alpha", "mini", times(ended_s=[5, 6], total_s=[1.5, 4]), NOW_US, 1.0)
    assert found.began_at == NOW + timedelta(seconds=2)
    assert found.ended_at == NOW + timedelta(seconds=6)


def test_latencies_are_quantiles_of_all_answers() -> None:
    # Of 0 to 100 s each percentile is its number; the first tokens take a tenth.
    total = [float(number) for number in range(101)]
    found = pace_of(
        "alpha", "mini", times(total_s=total, first_token_s=[t / 10 for t in total]), NOW_US, 60.0
    )
    assert found.total_s == pytest.approx((50, 90, 99))
    assert found.first_token_s == pytest.approx((5, 9, 9.9))


def test_the_first_token_is_not_decoded() -> None:
    # 10, 20 and 5 tokens a second; a single token and one without a time say nothing.
    found = times(tokens=[11, 41, 6, 1, 9], decode_s=[1, 2, 1, 1, 0])
    assert pace_of("alpha", "mini", found, NOW_US, 1.0).tokens_per_s == 10.0
    unknown = times(tokens=[1, 5], decode_s=[1, 0])
    assert pace_of("alpha", "mini", unknown, NOW_US, 1.0).tokens_per_s == 0.0


@pytest.mark.parametrize(
    ("span_s", "width_s"),
    [
        (0, 1),
        (120, 1),
        (121, 2),
        (3600, 30),
        (3601, 60),
        (120 * 86_400, 86_400),
        (121 * 86_400, 2 * 86_400),
    ],
)
def test_bins_are_as_narrow_as_120_of_them_may_be(span_s: float, width_s: float) -> None:
    assert bin_width(span_s) == width_s


def test_the_models_of_a_sweep_have_their_own_pace(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out")
    evidence = gather_evidence(open_sources([str(tmp_path / "out")]))
    alpha, beta = paces(evidence)
    assert (alpha.label, alpha.sweep, beta.label) == ("alpha", "out", "beta")
    assert alpha.answers + beta.answers == len(evidence)
    assert max(alpha.ended_at, beta.ended_at) == NOW + timedelta(seconds=len(evidence))
    for pace in (alpha, beta):
        assert sum(pace.rates) * pace.bin_s == pytest.approx(pace.answers)
        # 0.1 s of prefill, and then 0.01 s for each of the words: a little less than a second
        # has 100 tokens, since the first comes of the prefill.
        assert pace.first_token_s == pytest.approx((0.1, 0.1, 0.1))
        assert pace.total_s[0] < pace.total_s[2]
        assert 80 < pace.tokens_per_s < 100


def test_two_sweeps_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for place in ("one", "two"):
        finish_sweep(tmp_path / place, models=("alpha",), artworks=1, name="mini")
    evidence = gather_evidence(open_sources([str(tmp_path / name) for name in ("one", "two")]))
    found = paces(evidence)
    assert [pace.label for pace in found] == ["alpha"] * 2
    assert len({pace.sweep for pace in found}) == 2
    assert [pace.answers for pace in found] == [len(evidence) // 2] * 2


def test_answers_that_are_not_planned_now_are_not_timed(tmp_path: Path) -> None:
    spec = finish_sweep(tmp_path / "out", artworks=1)
    ResultStore(spec.output).tables(Shard()).append([GENERATION])
    evidence = gather_evidence(open_sources([spec.output]))
    assert sum(pace.answers for pace in paces(evidence)) == len(evidence)


def test_where_there_is_no_answer_there_is_no_pace(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out", answer=lambda job: None, artworks=1)
    assert paces(gather_evidence(open_sources([str(tmp_path / "out")]))) == ()
