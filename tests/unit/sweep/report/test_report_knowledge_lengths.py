"""Coverage against length, binned by hand."""

from pathlib import Path

import numpy as np
import pytest

from services.benchmark.records import Setting
from services.sweep.report.gathering import gather_evidence
from services.sweep.report.knowledge.lengths import length_bins, length_curves
from services.sweep.report.knowledge.model import LengthBin
from services.sweep.report.sources import open_sources
from tests.unit.sweep.report.reported_sweep import finish_sweep


def bins(lengths: list[float], values: list[float]) -> tuple[LengthBin, ...]:
    return length_bins(np.array(lengths, np.float64), np.array(values, np.float64))


def test_twenty_lengths_make_ten_bins_of_two() -> None:
    # Deciles of 1 to 20 are 2, 4, … 18; a bin ends with its decile. Values are tenths of lengths.
    lengths = [float(length) for length in range(20, 0, -1)]
    found = bins(lengths, [length / 10 for length in lengths])
    assert [(one.length, one.answers) for one in found] == [(2 * n + 1.5, 2) for n in range(10)]
    assert [one.value for one in found] == pytest.approx([0.2 * n + 0.15 for n in range(10)])


def test_equal_lengths_stay_together() -> None:
    # Of 1, 1, 1, 2 the deciles up to 70 % are 1 and the others 2.
    assert bins([1, 2, 1, 1], [0.0, 0.5, 0.25, 0.5]) == (
        LengthBin(length=1.0, value=0.25, answers=3),
        LengthBin(length=2.0, value=0.5, answers=1),
    )
    assert bins([7] * 30, [0.5] * 30) == (LengthBin(7.0, 0.5, 30),)
    assert bins([3], [1.0]) == (LengthBin(3.0, 1.0, 1),)


def test_a_very_long_answer_is_in_the_last_bin() -> None:
    # Deciles of 1, 2, 3, 1000: 1, 1, 2, 2, 2, 3, 3, 1000, 1000.
    assert [one.length for one in bins([1000, 1, 2, 3], [0, 0, 0, 0])] == [1, 2, 3, 1000]


def test_each_contender_has_a_curve_in_each_setting(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out")
    evidence = gather_evidence(open_sources([str(tmp_path / "out")]))
    curves = length_curves(evidence)
    assert [(curve.contender, curve.setting) for curve in curves] == [
        (contender, setting) for contender in (0, 1) for setting in Setting
    ]
    lengths, coverage = evidence.values("length"), evidence.values("ec_exact")
    for curve in curves:
        rows = evidence.rows(curve.contender, curve.setting)
        rows = rows[~np.isnan(coverage[rows])]
        assert sum(one.answers for one in curve.bins) == len(rows)
        ends = [one.length for one in curve.bins]
        assert ends == sorted(ends)
        assert sum(one.length * one.answers for one in curve.bins) == pytest.approx(
            lengths[rows].sum()
        )
        assert sum(one.value * one.answers for one in curve.bins) == pytest.approx(
            coverage[rows].sum()
        )


def test_without_coverage_there_is_no_curve(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out", metrics=["length", "bleu"], artworks=1)
    assert length_curves(gather_evidence(open_sources([str(tmp_path / "out")]))) == ()
