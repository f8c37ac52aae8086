"""Scores as arrays give what scores as objects give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.outcome import Score, UnscorableReason
from services.metrics.registry import METRICS
from services.metrics.score_columns import REASONS, SCORABLE, ScoreColumns, aggregate_columns
from services.metrics.statistics import NoPairsConvention, aggregate

SIGNATURE = "ef1|nopairs:unscorable|v:1"


def columns(
    values: list[float | None], metric: str = "ef1", reason: int = 0, signature: str = SIGNATURE
) -> ScoreColumns:
    """The statistics are the value in the first column, and ones."""
    width = len(METRICS[metric].statistic_names)
    statistics = np.zeros((len(values), width))
    for place, value in enumerate(values):
        if value is not None:
            statistics[place] = [value] + [1.0] * (width - 1)
    return ScoreColumns(
        metric=metric,
        signature=signature,
        values=np.array([value or 0.0 for value in values]),
        reasons=np.array([reason if value is None else SCORABLE for value in values], np.int8),
        statistics=statistics,
    )


@given(
    st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=50),
    st.sampled_from(sorted(METRICS)),
    st.integers(0, len(REASONS) - 1),
    st.sampled_from(NoPairsConvention),
)
def test_the_aggregate_is_that_of_the_same_scores_as_objects(
    values: list[float | None], metric: str, reason: int, no_pairs: NoPairsConvention
) -> None:
    found = columns(values, metric, reason)
    assert aggregate_columns(found, no_pairs) == aggregate(found.scores(), no_pairs)


def test_rows_of_a_group_are_averaged_and_groups_stand_in_the_order_of_their_numbers() -> None:
    found = columns([0.5, 1.0, None, 0.0, None]).averaged_by(np.array([7, 3, 7, 7, 5]))
    # Group 3: 1; group 5: none; group 7: (0.5 + 0) / 2, without the row that has no value.
    assert [score.value for score in found.scores()] == [1.0, None, 0.25]
    assert found.statistics[:, 0].tolist() == [1.0, 0.0, 0.25]
    assert found.reasons.tolist() == [SCORABLE, 0, SCORABLE]


def test_groups_of_one_row_are_the_rows_themselves() -> None:
    found = columns([0.5, None, 1.0]).averaged_by(np.array([2, 0, 1]))
    assert [score.value for score in found.scores()] == [None, 1.0, 0.5]


def test_nothing_and_what_is_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match="no score"):
        aggregate_columns(columns([]))
    with pytest.raises(ValueError, match="not finite"):
        aggregate_columns(columns([float("inf")]))
    with pytest.raises(ValueError, match="1 statistics instead of"):
        aggregate_columns(
            ScoreColumns("ef1", SIGNATURE, np.zeros(1), np.zeros(1, np.int8), np.zeros((1, 1)))
        )


def test_scores_are_the_objects_that_the_arrays_stand_for() -> None:
    first, second = columns(
        [0.25, None], "length", REASONS.index(UnscorableReason.NO_ENTITIES)
    ).scores()
    assert first == Score("length", 0.25, (0.25,), SIGNATURE)
    assert second.value is None
