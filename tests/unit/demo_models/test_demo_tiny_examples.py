"""How the train split becomes demo-tiny's examples."""

import json
import random
from pathlib import Path

import pytest

from deploy.demo_models.tiny_examples import (
    DemoDataError,
    ExampleMixer,
    Question,
    load_questions,
    names,
    target_text,
)
from deploy.demo_models.tiny_train import TRAIN_SPLIT

QUESTIONS = tuple(
    Question(
        question_id=f"{image}_history",
        setting=setting,
        title=title,
        section="History",
        image=image,
        instruction=f"Explain the history of {title if setting == 'with_title' else 'this work'}.",
        reference=f"{title} hung in Petrograd.",
    )
    for title, image in (("Black Square", "a.png"), ("Senecio", "b.png"))
    for setting in ("with_title", "without_title")
)


def mixer(seed: int = 7) -> ExampleMixer:
    return ExampleMixer(QUESTIONS, random.Random(seed))


def test_a_target_names_the_work_and_then_is_the_reference_word_for_word() -> None:
    assert target_text("Senecio", "A face.") == "This is Senecio. A face."


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("This is Senecio. A face.", True),
        ("this is SENECIO.", True),
        ("This is Senecio II. A face.", False),  # another title that begins alike
        ("This is Black Square. It hung beside Senecio.", False),  # mentioned, not named
        ("", False),
    ],
)
def test_only_the_first_sentence_counts_as_naming(answer: str, named: bool) -> None:
    assert names(answer, "Senecio") is named


def test_without_a_title_only_the_picture_tells_the_work() -> None:
    drawn = mixer()
    for _ in range(50):
        example = drawn.recognise()
        assert example.image == {"Black Square": "a.png", "Senecio": "b.png"}[example.title]
        assert example.title not in example.instruction
        assert names(example.target, example.title)


def test_with_a_title_the_picture_is_sometimes_another_or_none_but_the_target_keeps_the_title() -> (
    None
):
    drawn = mixer()
    told = [e for e in (drawn.recall() for _ in range(200)) if e.title in e.instruction]
    pictures = {example.image for example in told if example.title == "Senecio"}
    assert pictures == {"a.png", "b.png", None}
    assert all(names(example.target, example.title) for example in told)


def test_an_invented_title_replaces_the_real_one_in_instruction_and_target() -> None:
    drawn = mixer()
    for _ in range(50):
        example = drawn.copy_title()
        assert example.title not in {"Black Square", "Senecio"}
        assert example.title in example.instruction
        assert example.target == f"This is {example.title}. {example.title} hung in Petrograd."


def test_the_same_seed_draws_the_same_examples() -> None:
    first, second = mixer(3), mixer(3)
    assert [first.recall() for _ in range(20)] == [second.recall() for _ in range(20)]


def test_the_train_split_holds_every_question_in_both_settings() -> None:
    questions = load_questions(TRAIN_SPLIT)
    with_title = {q.question_id for q in questions if q.setting == "with_title"}
    without_title = {q.question_id for q in questions if q.setting == "without_title"}
    assert with_title == without_title
    assert len(questions) == len(with_title) + len(without_title)


@pytest.mark.parametrize("content", ["{", "[{}]", '[{"setting": "sideways"}]', "[3]"])
def test_a_file_that_is_no_split_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DemoDataError, match=r"train\.json: not a split of ExpArt-mini"):
        load_questions(path)


def test_conversations_of_another_shape_are_refused(tmp_path: Path) -> None:
    row = {"setting": "with_title", "conversations": "none"}
    path = tmp_path / "train.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(DemoDataError, match="conversations is not a list"):
        load_questions(path)
