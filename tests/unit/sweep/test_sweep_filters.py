"""Choosing questions: filters, limits, order, shards."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from services.benchmark.records import Question, Setting, Split
from services.core.errors import UserInputError
from services.sweep.spec.filters import select_questions
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import DatasetSpec, SweepSpec


def question(artwork: int, section: str, setting: Setting, split: Split) -> Question:
    return Question(
        id=f"{artwork}-{section}-{setting}",
        question_id=f"{artwork}-{section}",
        artwork=f"artwork {artwork}",
        title=f"Title {artwork}",
        section=section,
        setting=setting,
        split=split,
        instruction="Explain it.",
        reference="It is known.",
        entities=("It",) if section == "History" else (),
        image=f"{artwork}.png",
    )


SECTIONS = ("History", "Legacy", "Style")
# Sections first, so that the questions about one artwork lie apart in the file.
QUESTIONS = tuple(
    question(artwork, section, setting, split)
    for section in SECTIONS
    for split in (Split.TEST_SEEN, Split.TEST_UNSEEN)
    for artwork in (range(8) if split is Split.TEST_SEEN else range(8, 16))
    for setting in Setting
)


def chosen(
    shard: Shard | None = None, questions: tuple[Question, ...] = QUESTIONS, **keys: object
) -> tuple[Question, ...]:
    declared: Mapping[str, object] = {
        "dataset": DatasetSpec(folder=Path("data")),
        "models": ["a"],
        "output": "out",
        **keys,
    }
    return select_questions(questions, SweepSpec.model_validate(declared), shard)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        # 16 artworks, 3 sections, 2 settings.
        ({}, 96),
        ({"artworks": ["artwork 3", "Title 9"]}, 2 * 3 * 2),
        ({"sections": ["History", "Style"]}, 16 * 2 * 2),
        ({"question_ids": ["3-History"]}, 2),
        ({"question_ids": ["3-History-with_title"]}, 1),
        ({"has_entities": True}, 16 * 2),
        ({"has_entities": False}, 16 * 2 * 2),
        ({"artworks": ["artwork 3"], "sections": ["Legacy"]}, 2),
        ({"sections": ["Legacy"], "has_entities": True}, 0),
    ],
)
def test_a_question_passes_all_filters_that_are_given(
    filters: dict[str, object], count: int
) -> None:
    assert len(chosen(filters=filters)) == count


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({"artworks": ["artwrk 3"]}, "filters.artworks: the dataset has no 'artwrk 3'; did you"),
        ({"sections": ["history"]}, "no 'history'; did you mean 'History'?"),
        ({"question_ids": [f"x{n}" for n in range(7)]}, "'x0', 'x1', 'x2', 'x3', 'x4' and 2 more"),
    ],
)
def test_a_filter_that_nothing_can_pass_is_refused(
    filters: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UserInputError) as caught:
        chosen(filters=filters)
    assert complaint in caught.value.message


def test_limits_are_for_artworks_questions_of_each_and_questions_in_all() -> None:
    kept = chosen(limits={"max_artworks_per_split": 3, "max_questions_per_artwork": 2})
    assert len(kept) == 2 * 3 * 2 * 2  # splits, artworks, questions, settings
    assert len({item.artwork for item in kept}) == 2 * 3
    least = chosen(
        limits={
            "max_artworks_per_split": 3,
            "max_questions_per_artwork": 2,
            "max_questions_per_split": 5,
        }
    )
    assert len(least) == 2 * 5 * 2
    assert set(least) < set(kept)


@pytest.mark.parametrize(
    "limit", ["max_artworks_per_split", "max_questions_per_artwork", "max_questions_per_split"]
)
def test_a_greater_limit_keeps_what_a_smaller_one_kept(limit: str) -> None:
    kept = [set(chosen(limits={limit: most})) for most in (1, 2, 3)]
    assert kept[0] < kept[1] < kept[2]
    assert set(chosen(questions=QUESTIONS[::-1], limits={limit: 2})) == kept[1]


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_questions_about_an_artwork_follow_each_other(shuffle: bool) -> None:
    artworks = [artwork for artwork, _ in groupby(q.artwork for q in chosen(shuffle=shuffle))]
    assert len(artworks) == 16
    in_order = [f"artwork {number}" for number in range(16)]
    assert sorted(artworks) == sorted(in_order)
    assert (artworks == in_order) is not shuffle


def test_the_seed_decides_the_shuffled_order() -> None:
    assert chosen(shuffle=True) == chosen(shuffle=True)
    assert chosen(shuffle=True) != chosen(shuffle=True, seed=1)


def test_shards_share_out_what_limits_keep() -> None:
    limits = {"max_artworks_per_split": 5}
    parts = [chosen(Shard(index, 3), limits=limits) for index in range(3)]
    assert sorted(q.name for part in parts for q in part) == sorted(
        q.name for q in chosen(limits=limits)
    )
    holders = {q.artwork: index for index, part in enumerate(parts) for q in part}
    assert all(holders[q.artwork] == index for index, part in enumerate(parts) for q in part)


def test_pictures_of_one_artwork_stay_together() -> None:
    two = tuple(
        replace(item, image=f"{item.section}.png")
        for item in QUESTIONS
        if item.artwork == "artwork 3"
    )
    images = [image for image, _ in groupby(item.image for item in chosen(questions=two))]
    assert len(images) == len(set(images)) == 3
