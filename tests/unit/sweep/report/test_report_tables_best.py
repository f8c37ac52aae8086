"""Which rows are marked as the best, and which leads are sure; the sample's means are by hand."""

from dataclasses import replace

from services.benchmark.records import Setting
from services.sweep.report.model import Estimate, Report
from services.sweep.report.tables.best import best_rows
from tests.unit.sweep.report.sample_report import bare_report, crowded_report, sample_report


def places(report: Report, metric: str, setting: Setting, part: str) -> dict[int, bool]:
    """By contender: whether the lead of this best one is significant."""
    return {
        report.rows[place].contender: is_sure
        for (place, of), is_sure in best_rows(report).items()
        if of == metric and (report.rows[place].setting, report.rows[place].part) == (setting, part)
    }


def test_the_greatest_mean_is_best_and_its_lead_is_sure_where_the_test_says_so() -> None:
    # With Title, all parts: 0.6 * 0.20 + 0.4 * 0.15 = 0.18 against 0.6 * 0.30 + 0.4 * 0.20 = 0.26,
    # with p 0.0001.
    assert places(sample_report(), "ef1", Setting.WITH_TITLE, "all") == {1: True}


def test_a_lead_that_is_not_significant_is_told_apart() -> None:
    # Seen: 0.012 against 0.011; unseen: 0.010 against 0.011; both with p 0.4.
    report = sample_report()
    assert places(report, "bleu", Setting.WITH_TITLE, "seen") == {0: False}
    assert places(report, "bleu", Setting.WITH_TITLE, "unseen") == {1: False}


def test_equal_values_are_best_together_and_no_lead() -> None:
    # Both have 0.003 on unseen artworks.
    report = sample_report()
    assert places(report, "bleu", Setting.WITHOUT_TITLE, "unseen") == {0: False, 1: False}


def test_a_control_does_not_compete_with_the_right_pictures() -> None:
    report = sample_report()
    assert 2 not in {report.rows[place].contender for place, _ in best_rows(report)}
    # rouge_l was computed for the others alone: these still compete.
    assert places(report, "rouge_l", Setting.WITH_TITLE, "all") == {0: False}


def test_no_length_is_best_and_nothing_unscorable_is() -> None:
    assert {metric for _, metric in best_rows(sample_report())} == {
        "bleu",
        "rouge_l",
        "ef1",
        "ec_exact",
        "ecooc_0",
    }


def test_one_model_alone_is_not_the_best() -> None:
    assert best_rows(bare_report()) == {}


def test_zero_is_not_the_best() -> None:
    report = sample_report()
    nothing = replace(report.rows[0].metrics["ef1"], macro=Estimate(0.0, None, 60, 30))
    rows = tuple(replace(row, metrics={"ef1": nothing}) for row in report.rows)
    assert best_rows(replace(report, rows=rows)) == {}


def test_a_lead_on_other_questions_than_the_shared_ones_is_not_sure() -> None:
    # The second leads by its own mean, but on the questions of both the first does.
    report = sample_report()
    comparisons = tuple(
        replace(one, contrast=replace(one.contrast, difference=0.08)) for one in report.comparisons
    )
    turned = replace(report, comparisons=comparisons)
    assert places(turned, "ef1", Setting.WITH_TITLE, "all") == {1: False}


def test_the_lead_is_tested_against_the_next_best_alone() -> None:
    # Of three with equal means two are set apart: model-2 leads model-1, which leads model-0.
    report = crowded_report(3)
    rows = tuple(
        replace(
            row,
            metrics={
                "ef1": replace(
                    row.metrics["ef1"], macro=Estimate(0.1 * (row.contender + 1), None, 60, 30)
                )
            },
        )
        for row in report.rows
    )
    comparisons = tuple(
        replace(
            one,
            contrast=replace(
                one.contrast,
                difference=-0.1 * (one.second - one.first),
                p_corrected=0.2 if (one.first, one.second) == (1, 2) else 0.001,
            ),
        )
        for one in report.comparisons
    )
    changed = replace(report, rows=rows, comparisons=comparisons)
    (comparison, *_) = comparisons
    # The crowded report has one comparison a pair: of the first metric, setting and part.
    of_ef1 = replace(changed, comparisons=tuple(replace(one, metric="ef1") for one in comparisons))
    assert places(of_ef1, "ef1", comparison.setting, comparison.part) == {2: False}
