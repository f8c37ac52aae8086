from dataclasses import replace

import pytest

from services.benchmark.records import Setting
from services.sweep.report.charts.pairs import grounding, parts, titles
from services.sweep.report.model import GapKind, Interval
from services.sweep.spec.controls import Control
from tests.unit.sweep.report.drawn_chart import SVG, Drawn, Mark
from tests.unit.sweep.report.sample_report import bare_report, sample_report
from tests.unit.sweep.report.small_reports import gap, report_of, with_gaps

_WITH, _WITHOUT = Setting.WITH_TITLE, Setting.WITHOUT_TITLE

_ASKED_BOTH_WAYS = report_of(
    {(_WITH, "all"): 0.25, (_WITHOUT, "all"): 0.0},
    {(_WITH, "all"): 0.13, (_WITHOUT, "all"): 0.13},
)


def _drawn(svg: str | None) -> Drawn:
    assert svg is not None
    return Drawn(svg)


def _ends(drawn: Drawn, start: str) -> tuple[Mark, Mark]:
    """The filled and the hollow mark of a row."""
    filled, hollow = sorted(drawn.datum(start).marks(), key=lambda mark: mark.is_hollow)
    assert (filled.is_hollow, hollow.is_hollow) == (False, True)
    return filled, hollow


def test_both_settings_stand_on_one_line_and_are_joined() -> None:
    drawn = _drawn(titles(_ASKED_BOTH_WAYS, "ef1"))
    filled, hollow = _ends(drawn, "a: With Title 25.00, Without Title 0.00")
    # Names take 114 of the 960 units, numbers 146, a gap 26; 56 % of the other 674 are 377.44,
    # and stand for 0 to 26.
    assert hollow.x == 114.0
    assert filled.x == pytest.approx(114 + 377.44 * 25 / 26, abs=0.01)
    assert filled.y == hollow.y
    (bond,) = drawn.datum("a: With").lines("bond")
    assert hollow.x < bond.x1 < bond.x2 < filled.x


def test_equal_values_are_two_marks_in_one_place() -> None:
    drawn = _drawn(titles(_ASKED_BOTH_WAYS, "ef1"))
    filled, hollow = _ends(drawn, "b: With Title 13.00")
    assert filled.x == hollow.x == pytest.approx(114 + 377.44 / 2, abs=0.01)
    # The hollow one is half as large again: it is seen around the other.
    drawn_marks = drawn.datum("b: With").root.iter(f"{SVG}path")
    assert [mark.attrib["transform"].endswith(" scale(1.5)") for mark in drawn_marks] == [
        False,
        True,
    ]
    assert drawn.datum("b: With").lines("bond") == []


def test_differences_stand_right_of_0_with_their_intervals() -> None:
    gaps = [
        gap(GapKind.TITLE, 0, 0.25, interval=Interval(0.2, 0.25), p=0.001),
        gap(GapKind.TITLE, 1, 0.0, interval=Interval(0.0, 0.1), p=0.9),
    ]
    drawn = _drawn(titles(with_gaps(_ASKED_BOTH_WAYS, gaps), "ef1"))
    # From 0 to 25 with 4 % of room to both sides: -1 to 26, on the 296.56 units to 814.
    start, unit = 114 + 377.44 + 26, 296.56 / 27
    first = drawn.datum("a: +25.00 [20.00, 25.00]")
    assert first.mark().x == pytest.approx(start + 26 * unit, abs=0.01)
    low = min(line.x1 for line in first.lines("whisker"))
    assert low == pytest.approx(start + 21 * unit, abs=0.01)
    (zero,) = drawn.lines("zero")
    assert zero.x1 == pytest.approx(start + unit, abs=0.01)
    assert drawn.datum("b: 0.00").mark().x == zero.x1


def test_a_difference_is_filled_only_where_it_is_significant() -> None:
    gaps = [gap(GapKind.TITLE, 0, 0.25, p=0.049), gap(GapKind.TITLE, 1, 0.1, p=0.05)]
    drawn = _drawn(titles(with_gaps(_ASKED_BOTH_WAYS, gaps), "ef1"))
    first, second = drawn.datum("a: +25.00"), drawn.datum("b: +10.00")
    assert (first.mark().is_hollow, second.mark().is_hollow) == (False, True)
    assert first.title.endswith("corrected p 0.049")


def test_a_difference_of_unknown_certainty_is_hollow() -> None:
    report = with_gaps(_ASKED_BOTH_WAYS, [gap(GapKind.TITLE, 0, 0.25)])
    assert _drawn(titles(report, "ef1")).datum("a: +25.00").mark().is_hollow


def test_a_falling_difference_has_a_minus_sign() -> None:
    contrast = gap(GapKind.TITLE, 0, -0.05, interval=Interval(-0.1, 0.01))
    drawn = _drawn(titles(with_gaps(_ASKED_BOTH_WAYS, [contrast]), "ef1"))
    assert "−5.00 [−10.00, 1.00]" in drawn.shown()  # noqa: RUF001 - minus signs


def test_parts_of_the_test_are_blocks_of_the_title_chart() -> None:
    means = {(s, part): 0.1 for s in Setting for part in ("seen", "all")}
    drawn = _drawn(titles(report_of(means), "ef1"))
    shown = drawn.shown()
    assert shown.index("All questions") < shown.index("Seen artworks")
    assert "Unseen artworks" not in shown


def test_seen_and_unseen_are_compared_within_a_setting() -> None:
    report = report_of(
        {
            (_WITH, "seen"): 0.25,
            (_WITH, "unseen"): 0.13,
            (_WITHOUT, "seen"): 0.0,
            (_WITHOUT, "unseen"): None,
        }
    )
    report = with_gaps(report, [gap(GapKind.SEEN, 0, 0.12, setting=_WITH)])
    drawn = _drawn(parts(report, "ef1"))
    filled, hollow = _ends(drawn, "a: seen artworks 25.00, unseen artworks 13.00")
    # From 13 to 25 with 4 % of 12 to both sides.
    assert filled.x == pytest.approx(114 + 377.44 * 12.48 / 12.96, abs=0.01)
    assert hollow.x == pytest.approx(114 + 377.44 * 0.48 / 12.96, abs=0.01)
    assert "+12.00" in drawn.shown()
    # There is nothing to compare Without Title.
    assert "Without Title" not in drawn.shown()


def test_a_model_under_a_control_is_paired_with_itself() -> None:
    means = {(_WITH, "all"): 0.25}
    report = report_of(means, means, {(_WITH, "all"): 0.1}, {(_WITH, "all"): 0.0})
    a, b, wrong_b, wrong_a = report.contenders
    report = replace(
        report,
        contenders=(
            a,
            b,
            replace(wrong_b, model="b", control=Control.WRONG_IMAGE),
            replace(wrong_a, model="a", control=Control.WRONG_IMAGE),
        ),
        gaps=(
            gap(GapKind.WRONG_IMAGE, 0, 0.25, setting=_WITH),
            gap(GapKind.WRONG_IMAGE, 1, 0.15, setting=_WITH),
        ),
    )
    drawn = _drawn(grounding(report, "ef1"))
    titles_of_rows = [one.title for one in drawn.data()]
    assert "a: own picture 25.00, wrong or no picture 0.00" in titles_of_rows
    assert "b: own picture 25.00, wrong or no picture 10.00" in titles_of_rows
    assert "With Title: own picture against another artwork's picture" in drawn.shown()


def test_no_picture_is_a_block_of_its_own() -> None:
    report = report_of({(_WITH, "all"): 0.25}, {(_WITH, "all"): 0.1})
    first, second = report.contenders
    second = replace(second, model=first.model, control=Control.NO_IMAGE)
    gaps = (gap(GapKind.NO_IMAGE, 0, 0.15, setting=_WITH),)
    drawn = _drawn(grounding(replace(report, contenders=(first, second), gaps=gaps), "ef1"))
    assert "With Title: own picture against no picture" in drawn.shown()
    assert drawn.datum("a: own picture 25.00, wrong or no picture 10.00").marks()


def test_without_anything_to_compare_there_is_no_chart() -> None:
    for draw in (titles, parts, grounding):
        assert draw(bare_report(), "ef1") is None
        assert draw(sample_report(), "ecooc_2") is None
        assert draw(report_of(), "ef1") is None


def test_one_setting_alone_has_no_title_chart() -> None:
    assert titles(report_of({(_WITH, "all"): 0.2}), "ef1") is None


def test_a_gap_without_a_difference_is_said_to_have_no_value() -> None:
    drawn = _drawn(titles(with_gaps(_ASKED_BOTH_WAYS, [gap(GapKind.TITLE, 0, None)]), "ef1"))
    assert drawn.shown().count("no value") == 2
