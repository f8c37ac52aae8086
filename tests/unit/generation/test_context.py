"""How a generation is fitted into a model's context."""

from dataclasses import replace

import pytest

from services.core.errors import PromptTooLongError
from services.generation.context import fit_to_context
from tests.unit.generation.builders import sampling, scripted_spec


@pytest.mark.parametrize(
    ("prompt", "max_tokens", "min_tokens"),
    # Of 100 tokens, the prompt leaves 100 - prompt.
    [(80, 20, 12), (81, 19, 12), (90, 10, 10), (99, 1, 1)],
)
def test_an_answer_is_cut_to_what_the_prompt_leaves(
    prompt: int, max_tokens: int, min_tokens: int
) -> None:
    asked = replace(sampling(max_tokens=20), min_tokens=12)
    fitted = fit_to_context(scripted_spec(max_model_len=100), asked, prompt)
    assert fitted == replace(asked, max_tokens=max_tokens, min_tokens=min_tokens)


def test_a_prompt_that_leaves_nothing_is_refused_with_both_numbers() -> None:
    with pytest.raises(PromptTooLongError) as caught:
        fit_to_context(scripted_spec("small", max_model_len=100), sampling(), 100)
    assert caught.value.message == (
        "prompt and image take 100 tokens; model small holds 100 with the answer"
    )
    assert caught.value.metadata == {
        "prompt_token_count": "100",
        "max_context_token_count": "100",
    }
