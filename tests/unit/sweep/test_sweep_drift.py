"""What is said of answers that have drifted, derived by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import InternalError
from services.sweep.remote.messages import MetricScore, ScoringAnswer
from services.sweep.review.drift_report import (
    DriftedAnswer,
    MetricDrift,
    ModelDrift,
    first_difference,
    score_drifts,
)


def scores(**values: float | None) -> ScoringAnswer:
    return ScoringAnswer(
        "",
        tuple(
            MetricScore(metric, value, None if value is not None else "NO_ENTITIES", (), metric)
            for metric, value in values.items()
        ),
        None,
    )


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [("abc", "abd", 2), ("abc", "xbc", 0), ("ab", "abc", 2), ("", "a", 0), ("né", "ne", 1)],
)
def test_the_first_difference_is_a_place_in_either_text(one: str, other: str, place: int) -> None:
    assert first_difference(one, other) == first_difference(other, one) == place


@given(st.text(max_size=20), st.text(min_size=1, max_size=5), st.text(max_size=5))
def test_texts_agree_up_to_the_first_difference_and_not_there(
    common: str, one: str, other: str
) -> None:
    first, second = common + one, common + other
    place = first_difference(first, second)
    assert first[:place] == second[:place]
    assert first[place : place + 1] != second[place : place + 1] or first == second


def test_scores_are_compared_where_both_texts_have_one_as_reports_show_them() -> None:
    failed = ScoringAnswer("", (), InternalError("broken"))
    found = score_drifts(
        [
            (scores(ec_exact=0.5, length=10.0), scores(ec_exact=0.25, length=13.0)),
            (scores(ec_exact=0.5, length=20.0), scores(ec_exact=1.0, length=20.0)),
            (scores(ec_exact=None), scores(ec_exact=None)),
            (scores(ec_exact=0.5), failed),
            (scores(ec_exact=0.5), None),
        ]
    )
    # Shares times 100: -25 and +50; lengths as they are: +3 and 0.
    assert found == {
        "ec_exact": MetricDrift(compared=2, mean=12.5, greatest=50.0),
        "length": MetricDrift(compared=2, mean=1.5, greatest=3.0),
    }


def test_a_model_is_described_by_counts_places_and_examples() -> None:
    answers = tuple(
        DriftedAnswer(f"k{place}", f"test_seen/{place}/with_title", place, "a" * 99, "b" * 99)
        for place in (40, 7, 12, 90)
    )
    drift = ModelDrift(
        label="alpha",
        asked=6,
        identical=1,
        failures={"DRAINING": 1},
        drifted=answers,
        metrics={"ef1": MetricDrift(4, -1.25, 3.5), "bleu": MetricDrift(4, 0.0, 0.0)},
    )
    text = drift.describe()
    assert text.startswith("alpha: 6 asked again, 1 identical, 4 different, 1 failed (DRAINING)\n")
    # The places in order: 7, 12, 40, 90; the median is (12 + 40) / 2.
    assert "first difference at character 7 at the earliest, 26 in the median" in text
    assert "ef1: -1.25 on average over 4 answers, 3.50 at most" in text
    assert "bleu" not in text
    assert text.count("stored:") == 3


def test_a_model_without_an_answer_to_what_is_asked_now_says_so() -> None:
    drift = ModelDrift("alpha", 0, 0, {}, (), {})
    assert drift.describe() == "alpha: no stored answer to what would be asked now"
