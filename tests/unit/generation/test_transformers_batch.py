"""What answers of one batch share, and what each keeps to itself."""

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

import pytest

from services.generation.domain import FinishReason
from tests.unit.generation.builders import sampling

pytestmark = pytest.mark.slow

END = 9


@pytest.fixture(scope="module")
def batch() -> ModuleType:
    # Imported here and not above: collecting tests must not wait for transformers.
    from services.generation.engines import transformers_batch

    return transformers_batch


def prompt(batch: ModuleType, ids: Sequence[int], **tensors: object) -> object:
    import torch

    made = {
        "input_ids": torch.tensor([ids]),
        "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
        **tensors,
    }
    return batch.EncodedPrompt(made, ids, 0)


def test_shorter_prompts_are_filled_up_on_the_left_and_masked(batch: ModuleType) -> None:
    joined = batch.join_prompts([prompt(batch, [1, 2, 3]), prompt(batch, [4])], 7)
    assert joined["input_ids"].tolist() == [[1, 2, 3], [7, 7, 4]]
    assert joined["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]


def test_a_mask_with_more_dimensions_is_filled_up_along_the_tokens(batch: ModuleType) -> None:
    import torch

    short = prompt(batch, [4], cross_attention_mask=torch.ones(1, 1, 1, 2))
    long = prompt(batch, [1, 2], cross_attention_mask=torch.ones(1, 2, 1, 2))
    joined = batch.join_prompts([long, short], 0)
    assert joined["cross_attention_mask"][:, :, 0].tolist() == [
        [[1, 1], [1, 1]],
        [[0, 0], [1, 1]],
    ]


def test_a_second_prompt_is_filled_up_on_the_right(batch: ModuleType) -> None:
    import torch

    short = prompt(batch, [4], qformer_input_ids=torch.tensor([[5]]))
    long = prompt(batch, [1], qformer_input_ids=torch.tensor([[6, 7]]))
    assert batch.join_prompts([long, short], 3)["qformer_input_ids"].tolist() == [[6, 7], [5, 0]]


def test_pictures_of_one_shape_share_a_batch_and_others_do_not(batch: ModuleType) -> None:
    import torch

    square = prompt(batch, [1, 2], pixel_values=torch.zeros(1, 3, 4, 4))
    longer = prompt(batch, [1, 2, 3], pixel_values=torch.zeros(1, 3, 4, 4))
    patches = prompt(batch, [1, 2], pixel_values=torch.zeros(5, 3, 4, 4))
    wide = prompt(batch, [1, 2], pixel_values=torch.zeros(1, 3, 4, 8))
    without = prompt(batch, [1, 2])
    # The first dimension counts pieces of pictures, which follow one another.
    assert square.group == longer.group == patches.group  # type: ignore[attr-defined]
    assert len({each.group for each in (square, wide, without)}) == 3  # type: ignore[attr-defined]


def test_an_adapter_has_batches_of_its_own(batch: ModuleType) -> None:
    one = prompt(batch, [1])
    groups = {
        batch.Answer(one, sampling(), adapter, list[object]().append).group
        for adapter in ("", "a", "a", "b")
    }
    assert len(groups) == 3


def letters(ids: Sequence[int]) -> str:
    return "".join(chr(96 + token) for token in ids)


def follow(batch: ModuleType, *answers: object) -> tuple[object, list[tuple[object, object]]]:
    import torch

    heard: list[tuple[object, object]] = []
    rows = [
        batch.AnswerInBatch(answer, letters, frozenset({END}), torch.device("cpu"))
        for answer in answers
    ]
    return batch.FollowingCriteria(rows, heard.extend), heard


def step(criteria: object, *tokens: int) -> list[bool]:
    import torch

    done = criteria(torch.tensor([[0, token] for token in tokens]), None)  # type: ignore[operator]
    return [bool(each) for each in done]


def answer(batch: ModuleType, max_tokens: int = 9, **fields: object) -> object:
    given = replace(sampling(max_tokens), **fields)  # type: ignore[arg-type]
    return batch.Answer(prompt(batch, [1]), given, "", list[object]().append)


def test_each_answer_ends_by_itself_and_says_how(batch: ModuleType) -> None:
    ends = answer(batch)
    cut = answer(batch, max_tokens=2)
    stopped = answer(batch, stop=("c",))
    criteria, heard = follow(batch, ends, cut, stopped)
    assert step(criteria, 1, 1, 1) == [False, False, False]
    assert step(criteria, 2, 2, 2) == [False, True, False]
    assert step(criteria, 3, 5, 3) == [False, True, True]
    assert step(criteria, END, 5, 5) == [True, True, True]
    text = {id(each): "" for each in (ends, cut, stopped)}
    how: dict[int, tuple[FinishReason, int]] = {}
    for each, news in heard:
        if isinstance(news, str):
            text[id(each)] += news
        else:
            how[id(each)] = (news.finish_reason, news.token_count)  # type: ignore[attr-defined]
    # The token that ends an answer counts, and has no text.
    assert [text[id(each)] for each in (ends, cut, stopped)] == ["abc", "ab", "ab"]
    assert how == {
        id(ends): (FinishReason.STOP, 4),
        id(cut): (FinishReason.LENGTH, 2),
        id(stopped): (FinishReason.STOP, 3),
    }


def test_a_cancelled_answer_is_done_at_the_next_token_and_says_nothing_more(
    batch: ModuleType,
) -> None:
    gone, stays = answer(batch), answer(batch)
    criteria, heard = follow(batch, gone, stays)
    step(criteria, 1, 1)
    gone.is_cancelled = True  # type: ignore[attr-defined]
    assert step(criteria, 2, 2) == [True, False]
    heard.clear()
    assert step(criteria, 3, 3) == [True, False]
    assert [each for each, _ in heard] == [stays]


def test_a_batch_whose_callers_are_all_gone_ends(batch: ModuleType) -> None:
    gone = answer(batch)
    criteria, _ = follow(batch, gone)
    gone.is_cancelled = True  # type: ignore[attr-defined]
    assert step(criteria, 1) == [True]
