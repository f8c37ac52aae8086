"""Wrong pictures: always another artwork's, each once, and stable."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.benchmark.records import Question, Setting, Split
from services.core.errors import UserInputError
from services.sweep.spec.controls import Control, ShownPictures


def question(artwork: str, image: str = "", split: Split = Split.TEST_SEEN) -> Question:
    return Question(
        id=artwork,
        question_id=artwork,
        artwork=artwork,
        title=artwork,
        section="",
        setting=Setting.WITH_TITLE,
        split=split,
        instruction="Explain it.",
        reference="It is known.",
        entities=(),
        image=image or f"{artwork}.png",
    )


def digest(image: str) -> str:
    return f"sha256:{image}"


def wrong(
    questions: Iterable[Question],
    seed: int = 0,
    digest_of: Callable[[str], str | None] = digest,
) -> dict[str, str | None]:
    known = list(questions)
    pictures = ShownPictures(known, seed, digest_of)
    return {item.artwork: pictures.of(item, Control.WRONG_IMAGE).image for item in known}


@given(st.sets(st.text(min_size=1), min_size=2, max_size=30), st.integers(0, 5))
def test_no_artwork_keeps_its_picture_and_every_picture_is_used_once(
    artworks: set[str], seed: int
) -> None:
    shown = wrong(map(question, sorted(artworks)), seed)
    assert all(image != f"{artwork}.png" for artwork, image in shown.items())
    assert sorted(map(str, shown.values())) == sorted(f"{artwork}.png" for artwork in artworks)


def test_the_seed_draws_and_the_order_of_the_file_does_not() -> None:
    questions = [question(f"work {number}") for number in range(12)]
    assert wrong(questions) == wrong(questions[::-1])
    assert wrong(questions) != wrong(questions, seed=1)


def test_a_wrong_picture_comes_from_the_same_split() -> None:
    questions = [
        question(f"{split} {number}", split=split)
        for split in (Split.TEST_SEEN, Split.TEST_UNSEEN)
        for number in range(5)
    ]
    for artwork, image in wrong(questions).items():
        assert image is not None
        assert image.split()[0] == artwork.split()[0]


def test_a_missing_picture_moves_only_the_artwork_that_would_have_been_shown_with_it() -> None:
    questions = [question(f"work {number}") for number in range(12)]
    before = wrong(questions)
    after = wrong(questions, digest_of=lambda image: None if image == "work 3.png" else image)
    moved = {artwork for artwork in before if before[artwork] != after[artwork]}
    assert moved == {artwork for artwork, image in before.items() if image == "work 3.png"}
    assert "work 3.png" not in after.values()


def test_an_artwork_with_the_same_picture_is_no_wrong_one() -> None:
    # Three artworks, two of which share a picture byte for byte.
    questions = [question("a"), question("b"), question("c")]
    same = {"a.png": "sha256:1", "b.png": "sha256:1", "c.png": "sha256:2"}
    shown = wrong(questions, digest_of=same.get)
    assert shown["a"] == shown["b"] == "c.png"
    assert shown["c"] in {"a.png", "b.png"}


def test_questions_about_one_artwork_are_shown_the_same_wrong_picture() -> None:
    questions = [question(f"work {number}") for number in range(5)]
    pictures = ShownPictures(questions, 0, digest)
    other = replace(questions[0], id="other", section="Legacy", setting=Setting.WITHOUT_TITLE)
    assert pictures.of(other, Control.WRONG_IMAGE) == pictures.of(questions[0], Control.WRONG_IMAGE)


def test_a_split_with_one_picture_has_no_wrong_one() -> None:
    with pytest.raises(UserInputError, match="wrong_image: split test_seen has no picture but"):
        wrong([question("alone"), question("there", split=Split.TEST_UNSEEN)])


def test_no_control_shows_the_own_picture_and_no_image_shows_none() -> None:
    item = question("a")
    pictures = ShownPictures([item], 0, {"a.png": "sha256:1"}.get)
    assert pictures.of(item, Control.NONE) == ("a.png", "sha256:1")
    assert pictures.of(item, Control.NO_IMAGE) == (None, "")
    assert ShownPictures([item], 0, lambda _: None).of(item, Control.NONE).digest == "missing:a.png"
