from collections.abc import Callable
from dataclasses import replace

import pytest

from services.sweep.report.charts.coverage import coverage
from services.sweep.report.charts.entities import entities
from services.sweep.report.charts.entity_bars import known, missed, repeated
from services.sweep.report.knowledge.model import EntityKnowledge, EntityStanding
from services.sweep.report.model import Report
from tests.unit.sweep.report.drawn_chart import Drawn
from tests.unit.sweep.report.sample_report import bare_report
from tests.unit.sweep.report.small_reports import report_of

_PARIS = EntityStanding("Paris", 80, (40, 40), (10, 30), (3, 4))
_ROME = EntityStanding("Rome", 20, (20, 0), (20, 0), (0, 1))
_NOTHING = EntityKnowledge(0, (), (), (), (), ())


def _report(**known_: object) -> Report:
    return replace(report_of({}, {}), entities=replace(_NOTHING, **known_))


def _drawn(svg: str | None) -> Drawn:
    assert svg is not None
    return Drawn(svg)


def test_bars_share_out_the_entities_from_never_to_always() -> None:
    drawn = _drawn(coverage(_report(coverage_counts=((1, 1, 0, 0, 0, 2), (0, 0, 0, 0, 0, 4)))))
    # 822 units from 114 on stand for all entities, and each box leaves 1 free.
    boxes = [drawn.datum(f"a, {name}").boxes()[0] for name in ("never", "up to a q", "always")]
    assert [(box.x, box.width) for box in boxes] == [(114, 204.5), (319.5, 204.5), (525, 410)]
    assert [box.classes for box in boxes] == ["level q0", "level q1", "level q5"]
    assert drawn.datum("a, always").shown() == ["50 %"]
    assert drawn.datum("b, always: 4 of 4").boxes()[0].width == 821


def test_a_narrow_share_has_no_number_but_says_what_it_is() -> None:
    drawn = _drawn(coverage(_report(coverage_counts=((999, 1, 0, 0, 0, 0),))))
    narrow = drawn.datum("a, up to a quarter: 1 of 1,000 entities (<1 %)")
    assert narrow.shown() == []
    assert narrow.boxes()[0].width == 1.0


def test_contenders_that_were_asked_for_nothing_have_no_bar() -> None:
    drawn = _drawn(coverage(_report(coverage_counts=((1, 0, 0, 0, 0, 0), (0,) * 6))))
    assert "b" not in drawn.shown()
    assert coverage(_report(coverage_counts=((0,) * 6, (0,) * 6))) is None


def test_cells_deepen_with_the_share_of_answers_that_name_an_entity() -> None:
    drawn = _drawn(entities(_report(most_asked=(_PARIS, _ROME))))
    first, second = (drawn.datum(f"Paris, {name}") for name in "ab")
    # 5 % deep at nothing and 62 % at all: a quarter of the 57 % between them, and three.
    assert [box.opacity for box in (*first.boxes(), *second.boxes())] == pytest.approx(
        [0.05 + 0.57 / 4, 0.05 + 0.57 * 3 / 4], abs=0.006
    )
    assert (first.shown(), second.shown()) == (["25"], ["75"])
    assert first.title == "Paris, a: 10 of 40 answers (25 %)"
    # Columns are at most 120 units wide, rows 24.
    assert second.boxes()[0].x - first.boxes()[0].x == 120
    assert drawn.datum("Rome, a").boxes()[0].y - first.boxes()[0].y == 24


def test_an_entity_that_a_contender_was_never_asked_for_has_an_empty_cell() -> None:
    drawn = _drawn(entities(_report(most_asked=(_PARIS, _ROME))))
    assert drawn.datum("Rome, b: never asked").boxes()[0].opacity is None


def test_contenders_that_were_never_asked_have_no_column() -> None:
    drawn = _drawn(entities(_report(most_asked=(_ROME,))))
    assert [one.title for one in drawn.data()] == ["Rome, a: 20 of 20 answers (100 %)"]


def test_at_most_25_entities_are_shown() -> None:
    drawn = _drawn(entities(_report(most_asked=(_PARIS,) * 1000)))
    assert drawn.shown().count("Paris") == 25


def test_names_too_long_for_their_columns_are_turned() -> None:
    report = _report(most_asked=(_PARIS,))
    long = tuple(replace(one, label=f"a rather long name {one.label}") for one in report.contenders)
    turned = _drawn(entities(replace(report, contenders=long))).texts()
    assert [one.is_turned for one in turned if "rather" in one.text] == [True, True]
    plain = _drawn(entities(report)).texts()
    assert not any(one.is_turned for one in plain)


def test_a_bar_has_the_answers_that_miss_an_entity_within_all() -> None:
    drawn = _drawn(missed(_report(most_missed=(_PARIS, _ROME))))
    rest, bar = drawn.datum("Paris: 40 of 80 miss it (50 %)").boxes()
    # 656 units from 114 to 770 stand for 80 answers.
    assert (rest.x, rest.width, bar.x, bar.width) == (114, 656, 114, 328)
    assert [box.width for box in drawn.datum("Rome: 0 of 20 miss it").boxes()] == [164, 0]


def test_a_bar_has_the_share_of_answers_that_name_an_entity() -> None:
    drawn = _drawn(known(_report(most_known=(_ROME, _PARIS))))
    assert [box.width for box in drawn.datum("Rome: 20 of 20 name it (100 %)").boxes()] == [656] * 2
    assert [box.width for box in drawn.datum("Paris: 40 of 80").boxes()] == [656, 328]


def test_a_bar_has_the_needless_repeats_of_an_entity() -> None:
    drawn = _drawn(repeated(_report(most_repeated=(_PARIS, _ROME))))
    # 7 repeats are the greatest number.
    assert drawn.datum("Paris: 7 times in 80 answers").boxes()[-1].width == 656
    assert drawn.datum("Rome: 1 time in 20").boxes()[-1].width == pytest.approx(656 / 7, abs=0.01)


_DRAW = (coverage, entities, missed, known, repeated)


@pytest.mark.parametrize("draw", _DRAW)
def test_without_entities_there_is_no_chart(draw: Callable[[Report], str | None]) -> None:
    assert draw(bare_report()) is None
    assert draw(_report()) is None
