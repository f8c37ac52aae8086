"""What was computed from rows lately is not computed again."""

import numpy as np
import pytest

from services.sweep.report.statistics import recall
from services.sweep.report.statistics.recall import Recall
from services.sweep.report.statistics.samples import Floats


class Doubling:
    """Doubles rows, and notes which."""

    def __init__(self) -> None:
        self.asked: list[list[float]] = []

    def __call__(self, rows: Floats) -> Floats:
        self.asked.append(rows[:, 0].tolist())
        return 2 * rows


def row(value: float) -> Floats:
    return np.array([value, 1.0])


def test_rows_come_in_the_order_in_which_they_are_asked_for() -> None:
    doubling = Doubling()
    twice = Recall(doubling)
    assert [one[0] for one in twice([row(3), row(1), row(3)])] == [6, 2, 6]
    assert [one[0] for one in twice([row(2), row(1), row(3)])] == [4, 2, 6]
    assert doubling.asked == [[3, 1], [2]]
    assert twice([]) == []


def test_what_was_asked_for_the_longest_time_ago_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recall, "KEPT_NUMBERS", 4)  # two rows
    doubling = Doubling()
    twice = Recall(doubling)
    assert [one[0] for one in twice([row(1), row(2), row(3)])] == [2, 4, 6]  # 1 is forgotten
    twice([row(2)])
    twice([row(4)])  # 3 is forgotten
    twice([row(2), row(4)])
    assert [one[0] for one in twice([row(3)])] == [6]
    assert doubling.asked == [[1, 2, 3], [4], [3]]


def test_what_is_remembered_cannot_be_written_to() -> None:
    [one] = Recall(Doubling())([row(1)])
    with pytest.raises(ValueError, match="read-only"):
        one[0] = 5.0
