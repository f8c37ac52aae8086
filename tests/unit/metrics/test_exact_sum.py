"""The running sum against math.fsum."""

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from services.metrics.exact_sum import ExactSum


def running_sum(values: list[float]) -> ExactSum:
    total = ExactSum()
    for value in values:
        total.add(value)
    return total


@given(st.lists(st.floats(-1e200, 1e200), max_size=30), st.integers(1, 40))
def test_a_running_sum_is_fsums_whatever_the_order(values: list[float], times: int) -> None:
    # Repeated, so that the terms are condensed in between.
    many = values * times
    assert running_sum(many).value == math.fsum(many)
    assert running_sum(many[::-1]).value == math.fsum(many)


def test_nothing_is_lost_between_numbers_of_any_size() -> None:
    rng = random.Random(7)
    values = [rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 200) for _ in range(20_000)]
    total = running_sum(values)
    assert total.value == math.fsum(values)
    total_of_nothing = running_sum([*values, *(-value for value in values)])
    assert total_of_nothing.value == 0


def test_memory_does_not_grow_with_the_number_of_terms() -> None:
    rng = random.Random(7)
    total = running_sum(
        [rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 200) for _ in range(20_000)]
    )
    # 256 that wait, and what the others came to: a float covers 53 of some 1,700 bits.
    assert len(total._terms) < 256 + 1_700 // 53 + 2
