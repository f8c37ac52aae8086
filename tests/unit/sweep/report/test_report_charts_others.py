from dataclasses import replace
from datetime import timedelta

import pytest

from services.benchmark.records import Setting
from services.sweep.progress.costs import ModelCost
from services.sweep.report.charts.correlations import correlations
from services.sweep.report.charts.costs import costs
from services.sweep.report.charts.latency import latency
from services.sweep.report.charts.lengths import lengths
from services.sweep.report.charts.pace import pace
from services.sweep.report.knowledge.model import Correlations, LengthBin, LengthCurve, Pace
from services.sweep.report.model import Report
from tests.unit.sweep.report.drawn_chart import SVG, Drawn
from tests.unit.sweep.report.sample_report import NOW, bare_report, sample_report
from tests.unit.sweep.report.small_reports import report_of

_WITH, _WITHOUT = Setting.WITH_TITLE, Setting.WITHOUT_TITLE


def _drawn(svg: str | None) -> Drawn:
    assert svg is not None
    return Drawn(svg)


def _correlated(*values: tuple[float | None, ...]) -> Report:
    metrics = ("bleu", "ef1", "length")[: len(values)]
    return replace(bare_report(), correlations=Correlations(metrics, values, 100))


def test_correlations_are_a_triangle_whose_colour_deepens_with_them() -> None:
    drawn = _drawn(correlations(_correlated((1.0, 0.5, -1.0), (0.5, 1.0, 0.0), (-1.0, 0.0, 1.0))))
    assert [one.title for one in drawn.data()] == [
        "Entity F1 and BLEU: 0.50",
        "Length and BLEU: \N{MINUS SIGN}1.00",
        "Length and Entity F1: 0.00",
    ]
    # Columns of 84 from 262 on, rows of 30 from 8 on, 2 units apart; 5 % deep at 0, 62 % at 1.
    boxes = drawn.boxes()
    assert [(box.x, box.y) for box in boxes] == [(262, 8), (262, 38), (346, 38)]
    assert [(box.width, box.height) for box in boxes] == [(82, 28)] * 3
    assert [box.opacity for box in boxes] == pytest.approx([0.335, 0.62, 0.05], abs=0.006)
    assert [box.classes for box in boxes] == ["heat positive", "heat negative", "heat positive"]


def test_metrics_that_never_vary_have_empty_cells() -> None:
    drawn = _drawn(correlations(_correlated((1.0, None), (None, None))))
    assert drawn.datum("Entity F1 and BLEU: one of them never varies").shown() == ["–"]  # noqa: RUF001


def test_one_metric_has_no_correlations() -> None:
    assert correlations(_correlated((1.0,))) is None
    assert correlations(bare_report()) is None


def _curves(*curves: LengthCurve) -> Report:
    return replace(report_of({}, {}), lengths=curves)


def test_curves_run_through_the_mean_length_and_coverage_of_each_group() -> None:
    bins = (LengthBin(20, 0.0, 5), LengthBin(70, 0.105, 5), LengthBin(120, 0.2, 5))
    drawn = _drawn(lengths(_curves(LengthCurve(0, _WITH, bins))))
    # Across, 20 to 120 and 4 % to each side are 900 units from 50 on. Up, 250 units from 304 on
    # are 5 % more than the greatest coverage: 21.
    marks = [one.mark() for one in drawn.data()]
    left, right, top = 50 + 900 * 4 / 108, 50 + 900 * 104 / 108, 304 - 250 * 20 / 21
    assert [mark.x for mark in marks] == pytest.approx([left, 500, right], abs=0.01)
    assert [mark.y for mark in marks] == pytest.approx([304, 179, top], abs=0.01)
    lines = [line.attrib["points"] for line in drawn.root.iter(f"{SVG}polyline")]
    # The other one stands in the legend.
    assert max(lines, key=len) == " ".join(f"{mark.x:g},{mark.y:g}" for mark in marks)
    assert drawn.data()[1].title == "a, With Title: coverage 10.5 at 70.0 tokens; 5 answers"


def test_each_setting_has_its_panel_and_each_contender_its_look() -> None:
    bins = (LengthBin(20, 0.1, 5), LengthBin(40, 0.2, 5))
    drawn = _drawn(lengths(_curves(*(LengthCurve(n, s, bins) for n in range(2) for s in Setting))))
    assert {"With Title", "Without Title", "a", "b"} <= set(drawn.shown())
    marks = [one.mark() for one in drawn.data()]
    assert len({(mark.colour, mark.shape) for mark in marks}) == 2
    assert max(mark.x for mark in marks[:4]) < min(mark.x for mark in marks[4:])


def test_without_curves_there_is_no_chart_of_lengths() -> None:
    assert lengths(bare_report()) is None
    assert lengths(_curves(LengthCurve(0, _WITH, ()))) is None


def test_a_curve_of_one_group_without_coverage_is_drawn() -> None:
    drawn = _drawn(lengths(_curves(LengthCurve(0, _WITH, (LengthBin(20, 0.0, 1),)))))
    assert drawn.data()[0].mark().x == 500


def _pace(**changed: object) -> Pace:
    return replace(sample_report().pace[0], label="m", **changed)


def _paced(*paces: Pace) -> Report:
    return replace(bare_report(), pace=paces)


def test_a_strip_rises_with_the_rate_of_each_bin() -> None:
    drawn = _drawn(pace(_paced(_pace())))
    # 670 units from 114 on are 400 s, 167.5 a bin; 36 units up from 47 are 2.5 answers a second.
    outline = next(p for p in drawn.root.iter(f"{SVG}path") if "curve" in p.attrib["class"])
    assert outline.attrib["d"] == (
        "M114 32.6L281.5 32.6L281.5 11L449 11L449 11L616.5 11L616.5 18.2L784 18.2"
    )
    assert "peak 2.50/s, mean 2.00/s" in drawn.shown()
    assert "800 answers in 6.7 min" in drawn.shown()
    assert "Time since the first answer began (minutes)" in drawn.shown()


def test_many_bins_are_drawn_as_means_of_some() -> None:
    drawn = _drawn(pace(_paced(_pace(rates=(1.0, 3.0) * 400, bin_s=1.0))))
    outline = next(p for p in drawn.root.iter(f"{SVG}path") if "curve" in p.attrib["class"])
    # 800 bins by threes are 267: two corners each.
    assert outline.attrib["d"].count("L") == 2 * 267 - 1
    # The first three are 1, 3, 1 of 3: 5 / 9 of 36 units up from 47.
    assert outline.attrib["d"].startswith("M114 27L")


def test_models_of_one_name_are_told_apart_by_their_sweeps() -> None:
    drawn = _drawn(pace(_paced(_pace(sweep="one"), _pace(sweep="two"))))
    assert {"m · one", "m · two"} <= set(drawn.shown())


def test_an_answer_in_no_time_has_a_pace() -> None:
    one = _pace(answers=1, rates=(1.0,), bin_s=1.0, began_at=NOW, ended_at=NOW)
    assert "peak 1.00/s, mean 1.00/s" in _drawn(pace(_paced(one))).shown()


def test_without_times_there_is_no_chart_of_them() -> None:
    nothing = _pace(rates=(0.0,), total_s=(0.0, 0.0, 0.0), first_token_s=(0.0, 0.0, 0.0))
    for draw in (pace, latency):
        assert draw(bare_report()) is None
        assert draw(_paced(nothing)) is None


def test_the_median_and_what_most_answers_stay_below_stand_where_the_axis_says() -> None:
    one = _pace(total_s=(1.0, 2.0, 4.0), first_token_s=(0.5, 0.5, 0.5))
    drawn = _drawn(latency(_paced(one)))
    # 676 units from 114 on are 4 s.
    whole = drawn.datum("m, whole answer: median, 90 % and 99 % 1.0 s · 2.0 s · 4.0 s")
    assert whole.mark().x == 283
    assert [line.x1 for line in whole.lines("whisker") if line.x1 == line.x2] == [452, 790]
    first = drawn.datum("m, first token")
    assert (first.mark().x, first.mark().is_hollow) == (198.5, True)
    # 90 % and 99 % are the median: nothing more is drawn.
    assert first.lines("whisker") == []


def test_a_service_that_does_not_stream_has_no_time_to_the_first_token() -> None:
    one = _pace(first_token_s=(0.0, 0.0, 0.0), tokens_per_s=0.0)
    drawn = _drawn(latency(_paced(one)))
    assert len(drawn.data()) == 1
    assert not any("tokens/s" in shown for shown in drawn.shown())


def test_times_far_apart_are_on_a_logarithmic_axis() -> None:
    drawn = _drawn(latency(_paced(_pace(total_s=(1.0, 2.0, 60.0), first_token_s=(0.1, 0.2, 0.3)))))
    assert "Seconds, logarithmic" in drawn.shown()


def _costing(*found: ModelCost, currency: str = "EUR") -> Report:
    report = bare_report()
    return replace(report, sweeps=(replace(report.sweeps[0], costs=found, currency=currency),))


def test_costs_are_bars_of_what_one_answer_or_a_thousand_took() -> None:
    drawn = _drawn(
        costs(
            _costing(
                ModelCost("m", 100, 40_000, 8_000, 1.0, 1.0, 50.0, 2.0),
                ModelCost("n", 100, 20_000, 8_000, 1.0, 1.0, 50.0, 1.0),
            )
        )
    )
    # Four panels with 28 units between them share 846: 190.5 each, of which 58 are numbers.
    longest, half = (
        drawn.datum(start).boxes()[0]
        for start in ("m: 400 Tokens read per answer", "n: 200 Tokens read per answer")
    )
    assert (longest.x, longest.width) == (114, 132.5)
    assert (half.x, half.width) == (114, 66.25)
    assert drawn.datum("m: 20.0 EUR per 1,000 answers").boxes()[0].x == 114 + 3 * 218.5
    assert drawn.datum("m: 500 GPU-s per 1,000 answers").shown() == ["500"]


def test_money_is_shown_only_where_there_is_a_price() -> None:
    cost = ModelCost("m", 100, 40_000, 8_000, 1.0, 1.0, 50.0)
    assert not any("EUR" in one.title for one in _drawn(costs(_costing(cost))).data())
    priced = replace(cost, label="n", money=1.0)
    assert _drawn(costs(_costing(cost, priced))).shown().count("no price") == 1


def test_models_that_answered_nothing_cost_nothing_that_can_be_drawn() -> None:
    assert costs(_costing(ModelCost("m", 0, 0, 0, 0.0, 0.0, 0.0))) is None
    assert costs(_costing()) is None


def test_sweeps_of_other_currencies_have_panels_of_their_own() -> None:
    cost = ModelCost("m", 100, 40_000, 8_000, 1.0, 1.0, 50.0, 1.0)
    euros, dollars = (_costing(cost, currency=currency).sweeps[0] for currency in ("EUR", "USD"))
    report = replace(bare_report(), sweeps=(euros, replace(dollars, name="other")))
    titles = [one.title for one in _drawn(costs(report)).data()]
    assert "m · sample: 10.0 EUR per 1,000 answers" in titles
    assert "m · other: 10.0 USD per 1,000 answers" in titles


def test_a_sweep_across_midnight_has_one_time_axis() -> None:
    late = NOW + timedelta(hours=30)
    one = _pace(rates=(1.0,) * 60, bin_s=3600.0, began_at=NOW, ended_at=late)
    assert "Time since the first answer began (days)" in _drawn(pace(_paced(one))).shown()


def test_many_contenders_have_a_panel_each_with_both_settings() -> None:
    bins = (LengthBin(20, 0.1, 5), LengthBin(40, 0.2, 5))
    curves = [LengthCurve(n, setting, bins) for n in range(9) for setting in Setting]
    report = replace(report_of(*[{}] * 9), lengths=tuple(curves))
    drawn = _drawn(lengths(report))
    marks = [one.mark() for one in drawn.data()]
    assert len(marks) == 9 * 2 * 2
    # Filled with the title and hollow without; four panels a row, the fifth under the first.
    assert [mark.is_hollow for mark in marks[:4]] == [False, False, True, True]
    first, second, fifth = marks[0], marks[4], marks[16]
    assert (second.y, fifth.x) == (first.y, first.x)
    assert second.x - first.x == pytest.approx((960 - 40 - 10 - 66) / 4 + 22, abs=0.01)
    assert fifth.y - first.y == 142
