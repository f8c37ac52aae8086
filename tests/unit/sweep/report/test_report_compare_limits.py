"""Limits to how far metrics may fall; the falls are by hand."""

import pytest

from services.benchmark.records import Setting
from services.core.errors import UserInputError
from services.sweep.report.compare.limits import Limit, broken_limits, parse_limits
from services.sweep.report.compare.model import MetricChange, ModelChange, SweepComparison
from services.sweep.report.model import Contrast, Resampling
from services.sweep.spec.controls import Control


def fell(metric: str, old: float, new: float, part: str = "all") -> MetricChange:
    contrast = Contrast(new - old, None, 0.01, 0.0123, 40, 20)
    return MetricChange(
        metric, Setting.WITH_TITLE, part, old, new, contrast, 40, 40, rose=5, fell=20, same=15
    )


def lost(old_scored: int) -> MetricChange:
    """No question has a value in both sweeps."""
    nothing = Contrast(None, None, None, None, 0, 0)
    return MetricChange(
        "ef1", Setting.WITH_TITLE, "all", None, None, nothing, old_scored, 0, rose=0, fell=0, same=0
    )


def compared(*changes: MetricChange, control: Control = Control.NONE) -> SweepComparison:
    return SweepComparison(
        old="old",
        new="new",
        models=(ModelChange("alpha", control, "r1", "r2", (), changes),),
        only_old=(),
        only_new=(),
        metrics=tuple(dict.fromkeys(change.metric for change in changes)),
        signatures={},
        largest=(),
        resampling=Resampling(1000, 0, 20),
    )


EF1 = (Limit("ef1", 1.0),)


def test_limits_are_read_as_metric_and_amount() -> None:
    assert parse_limits(["ef1=1.0", " length = 3 "]) == (Limit("ef1", 1.0), Limit("length", 3.0))
    assert parse_limits([]) == ()
    assert parse_limits(["bleu=0"]) == (Limit("bleu", 0.0),)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["ef1"], "'ef1' is no limit: write METRIC=AMOUNT"),
        (["beauty=1"], "there is no metric 'beauty'; there are bleu, "),
        (["ef1=much"], "'much' is no amount"),
        (["ef1=-1"], "'-1' is no amount"),
        (["ef1=nan"], "'nan' is no amount"),
        (["ef1=inf"], "'inf' is no amount"),
        (["ef1=1", "ef1=2"], "limit 'ef1=2': ef1 has another limit before"),
    ],
)
def test_what_is_no_limit_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UserInputError, match=message):
        parse_limits(texts)


def test_a_greater_fall_breaks_the_limit_and_is_told() -> None:
    assert broken_limits(compared(fell("ef1", 0.17, 0.145)), EF1) == [
        "ef1 of alpha, With Title: fell by 2.50 from 17.00 to 14.50 over 40 questions (p 0.012), "
        "more than 1"
    ]


def test_a_fall_of_the_amount_a_lesser_one_and_a_rise_do_not() -> None:
    # 0.17 - 0.16 is not 0.01 in floats, but a little more.
    assert 0.17 - 0.16 > 0.01
    for new in (0.16, 0.165, 0.3):
        assert broken_limits(compared(fell("ef1", 0.17, new)), EF1) == []


def test_lengths_fall_by_tokens() -> None:
    comparison = compared(fell("length", 90.0, 85.0))
    assert broken_limits(comparison, (Limit("length", 5.0),)) == []
    assert len(broken_limits(comparison, (Limit("length", 4.0),))) == 1


def test_parts_and_controls_break_no_limit() -> None:
    part = compared(fell("ef1", 0.17, 0.17), fell("ef1", 0.17, 0.1, "seen"))
    assert broken_limits(part, EF1) == []
    assert broken_limits(compared(fell("ef1", 0.3, 0.1), control=Control.NO_IMAGE), EF1) == []


def test_a_metric_that_lost_all_its_questions_breaks_its_limit() -> None:
    assert broken_limits(compared(lost(40)), EF1) == [
        "ef1 of alpha, With Title: no question has a value in both sweeps"
    ]
    # It had none before either.
    assert broken_limits(compared(lost(0)), EF1) == []


def test_a_metric_that_was_not_computed_in_both_is_refused() -> None:
    with pytest.raises(UserInputError, match=r"limit for ef1: .* common metrics: length"):
        broken_limits(compared(fell("length", 1.0, 1.0)), EF1)
