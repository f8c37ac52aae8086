"""How one answer's next token is chosen, whatever runs beside it."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.unit.generation.builders import sampling

pytestmark = pytest.mark.slow

Chooser = Callable[..., list[float]]
NEVER = -math.inf


@pytest.fixture(scope="module")
def apply() -> Chooser:
    # Imported here and not above: collecting tests must not wait for torch.
    import torch

    from services.generation.engines.transformers_sampling import TokenChooser

    def applied(
        logits: Sequence[float],
        *,
        prompt: Sequence[int] = (),
        generated: Sequence[int] = (),
        end_tokens: frozenset[int] = frozenset(),
        **fields: object,
    ) -> list[float]:
        given = replace(sampling(), **fields)  # type: ignore[arg-type]
        chooser = TokenChooser(given, prompt, end_tokens, torch.device("cpu"))
        for token in generated:
            chooser.record(token)
        values: list[float] = chooser.apply(torch.tensor(logits)).tolist()
        return values

    return applied


def test_plain_greedy_leaves_the_logits_alone(apply: Chooser) -> None:
    assert apply([1.0, -2.0, 3.0], prompt=[0], generated=[2]) == [1.0, -2.0, 3.0]


def test_the_repetition_penalty_counts_prompt_and_answer_once_each(apply: Chooser) -> None:
    # Seen are 0, 1 and 2: positive logits are divided by 2, negative ones multiplied.
    made = apply([4.0, -1.0, 3.0, 5.0], prompt=[0, 1, 0], generated=[2, 2], repetition_penalty=2.0)
    assert made == [2.0, -2.0, 1.5, 5.0]


def test_a_picture_placeholder_outside_of_the_vocabulary_is_passed_over(apply: Chooser) -> None:
    assert apply([4.0, 1.0], prompt=[0, 7], repetition_penalty=2.0) == [2.0, 1.0]


def test_the_other_penalties_count_the_answer_alone(apply: Chooser) -> None:
    # Token 0 came twice: 4 - 2 * 0.5 - 0.25; token 1 once: 4 - 0.5 - 0.25; 2 only in the prompt.
    made = apply(
        [4.0, 4.0, 4.0],
        prompt=[2],
        generated=[0, 1, 0],
        presence_penalty=0.25,
        frequency_penalty=0.5,
    )
    assert made == [2.75, 3.25, 4.0]


@pytest.mark.parametrize(("count", "expected"), [(0, NEVER), (1, NEVER), (2, 9.0)])
def test_no_end_token_comes_before_min_tokens(count: int, expected: float, apply: Chooser) -> None:
    made = apply([1.0, 9.0], generated=[0] * count, end_tokens=frozenset({1}), min_tokens=2)
    assert made == [1.0, expected]


def drawn(apply: Chooser, logits: Sequence[float], **fields: object) -> Counter[int]:
    """Draws the first token with 400 seeds."""
    made = (apply(logits, temperature=1.0, seed=seed, **fields) for seed in range(400))
    return Counter(row.index(0.0) for row in made)


def test_sampling_leaves_exactly_one_token(apply: Chooser) -> None:
    made = apply([1.0, 1.0, 1.0], temperature=1.0, seed=5)
    assert sorted(made) == [NEVER, NEVER, 0.0]
    assert made == apply([1.0, 1.0, 1.0], temperature=1.0, seed=5)


def test_chances_follow_the_logits(apply: Chooser) -> None:
    # Odds of 3 to 1: 300 of 400 expected, standard deviation sqrt(400 * 3/4 * 1/4) = 8.7.
    assert 255 < drawn(apply, [math.log(3), 0.0])[0] < 345


def test_temperature_flattens_the_odds(apply: Chooser) -> None:
    # Logits halved: odds of 3 to 1 instead of 9 to 1.
    made = (apply([math.log(9), 0.0], temperature=2.0, seed=seed).index(0.0) for seed in range(400))
    assert 255 < Counter(made)[0] < 345


def test_top_k_keeps_the_k_likeliest(apply: Chooser) -> None:
    assert set(drawn(apply, [3.0, 1.0, 2.5, 2.0], top_k=2)) == {0, 2}
    assert set(drawn(apply, [0.0, 0.0, 0.0], top_k=0)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.45, {0}), (0.55, {0, 1}), (0.85, {0, 1, 2}), (1.0, {0, 1, 2})]
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p: float, kept: set[int], apply: Chooser) -> None:
    # Chances of 0.5, 0.3 and 0.2.
    logits = [math.log(0.5), math.log(0.3), math.log(0.2)]
    assert set(drawn(apply, logits, top_p=top_p)) == kept
