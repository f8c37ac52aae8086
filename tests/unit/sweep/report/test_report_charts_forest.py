from dataclasses import replace

import pytest

from services.benchmark.records import Setting
from services.sweep.report.charts.forest import forest
from services.sweep.report.charts.marks import style_of
from services.sweep.report.model import PublishedRow, Report
from tests.unit.sweep.report.drawn_chart import Drawn
from tests.unit.sweep.report.sample_report import bare_report, sample_report
from tests.unit.sweep.report.small_reports import report_of

_WITH, _WITHOUT = Setting.WITH_TITLE, Setting.WITHOUT_TITLE


def _drawn(report: Report, metric: str = "ef1") -> Drawn:
    svg = forest(report, metric)
    assert svg is not None
    return Drawn(svg)


def test_means_and_intervals_stand_where_the_axis_says() -> None:
    drawn = _drawn(
        report_of({(_WITH, "all"): 0.13}, {(_WITH, "all"): 0.065}, {(_WITH, "all"): 0.185},
                  spread=0.065)
    )  # fmt: skip
    # From 0 to 25, and 4 % more: 0 to 26. Names take 114 units and numbers 132 of the 960, so
    # that 714 units are left: 357 for 13, half of that for 6.5.
    middle = drawn.datum("a, With Title").mark()
    assert (middle.x, middle.y) == (471.0, 60.5)
    assert drawn.datum("b, With Title").mark().x == 292.5
    caps = {line.x1 for line in drawn.datum("a").lines("whisker") if line.x1 == line.x2}
    assert caps == {292.5, 649.5}


def test_rows_of_a_part_follow_each_other_under_its_heading() -> None:
    means = {(_WITH, "seen"): 0.2, (_WITH, "all"): 0.1}
    drawn = _drawn(report_of(means, means))
    places = {one.text: one.y for one in drawn.texts()}
    # A heading takes 24 units, a row 21; all questions come first, 4 units after them seen ones.
    assert places["All questions"] == 26 + 12
    assert [one.y for one in drawn.marks()] == [60.5, 81.5, 60.5 + 70, 81.5 + 70]
    assert places["Seen artworks"] == 38 + 70


def test_settings_stand_beside_each_other_on_one_scale() -> None:
    drawn = _drawn(report_of({(_WITH, "all"): 0.0, (_WITHOUT, "all"): 0.25}))
    # Two panels and the 18 units between them share 846: 414 each, of which 132 are numbers.
    # 0 to 26 on 282 units: 25 is at 25 / 26 of them.
    assert drawn.datum("a, With Title").mark().x == 114.0
    assert drawn.datum("a, Without Title").mark().x == pytest.approx(
        114 + 432 + 282 * 25 / 26, abs=0.01
    )


def test_each_row_has_its_numbers_its_questions_and_its_artworks() -> None:
    drawn = _drawn(report_of({(_WITH, "all"): 0.13}, spread=0.02))
    datum = drawn.datum("a, With Title")
    assert datum.title == "a, With Title: 13.00 [11.00, 15.00]; 10 questions on 5 artworks"
    assert datum.shown() == ["13.00 [11.00, 15.00]"]


def test_contenders_keep_their_looks() -> None:
    drawn = _drawn(report_of({(_WITH, "all"): 0.1}, {(_WITH, "all"): 0.2}))
    second = drawn.datum("b").mark()
    assert (second.colour, second.shape) == ("c2", style_of(1).shape)


def test_a_mean_without_an_interval_is_a_mark_alone() -> None:
    drawn = _drawn(bare_report())
    assert drawn.lines("whisker") == []
    assert {datum.shown()[0] for datum in drawn.data()} == {"50.00"}


def test_where_one_setting_has_no_value_the_row_says_so() -> None:
    drawn = _drawn(report_of({(_WITH, "all"): 0.1, (_WITHOUT, "all"): None}))
    assert len(drawn.marks()) == 1
    assert "no value" in drawn.shown()


def test_a_metric_without_any_value_has_no_forest_plot() -> None:
    assert forest(sample_report(), "ecooc_2") is None
    assert forest(report_of({(_WITH, "all"): None}), "ef1") is None
    assert forest(report_of(), "ef1") is None


def test_a_contender_without_any_value_has_no_row() -> None:
    drawn = _drawn(sample_report(), "rouge_l")
    assert not any("wrong_image" in title for title in (one.title for one in drawn.data()))


def test_published_rows_stand_apart_hollow_and_with_their_source() -> None:
    published = PublishedRow("P", _WITH, {"ef1": 0.25}, "Table 1", "a sample")
    drawn = _drawn(replace(report_of({(_WITH, "all"): 0.0}), published=(published,)))
    datum = drawn.datum("P")
    assert datum.title == "P, With Title: 25.00; Table 1; a sample"
    assert datum.mark().is_hollow
    assert datum.mark().x == pytest.approx(114 + 714 * 25 / 26, abs=0.01)
    assert "Published, not computed here" in drawn.shown()


def test_lengths_are_shown_in_tokens() -> None:
    drawn = _drawn(report_of({(_WITH, "all"): 90.0}, metric="length"), "length")
    assert "Length (tokens)" in drawn.shown()
    assert drawn.datum("a").shown() == ["90.0"]


def test_a_tall_plot_has_the_numbers_of_its_axis_at_both_ends() -> None:
    means = {(_WITH, "all"): 0.1, (_WITH, "seen"): 0.2}
    few, many = _drawn(report_of(*[means] * 2)), _drawn(report_of(*[means] * 20))
    # 9.6 to 20.4 on 714 units: steps of 1.
    assert few.shown().count("15") == 1
    assert many.shown().count("15") == 2
