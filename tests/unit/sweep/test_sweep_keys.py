"""Keys of results: stable over time, and different for every ingredient."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sweep.keys import KeyIngredients, question_key, reference_digest, signatures_digest
from services.sweep.spec import SamplingSpec

INGREDIENTS = KeyIngredients(
    question="test_seen/swan_history/with_title",
    image_digest="sha256:ab",
    instruction="Explain the história of The Swan.",
    system_text="",
    sampling=SamplingSpec(max_tokens=64, temperature=0.0),
    model="demo-smol",
    revision="r1",
    adapter="",
)


def test_the_key_is_the_hash_of_the_written_out_ingredients() -> None:
    # Written by hand: sorted keys, no blanks, UTF-8, parameters that are left out are absent.
    text = (
        '{"adapter":"","image":"sha256:ab","instruction":"Explain the história of The Swan.",'
        '"model":"demo-smol","question":"test_seen/swan_history/with_title","replicate":0,'
        '"revision":"r1","sampling":{"max_tokens":64,"stop":[],"temperature":0.0},'
        '"system_text":""}'
    )
    assert question_key(INGREDIENTS) == "q1-" + hashlib.sha256(text.encode()).hexdigest()[:40]


def test_the_key_never_changes_for_the_same_ingredients() -> None:
    # Taken once from this version. If it moves, old results are not found again: raise
    # KEY_VERSION instead of changing this.
    assert question_key(INGREDIENTS) == "q1-2c910b872c11f5c69f936517cbdb83bd28d8864b"


@pytest.mark.parametrize(
    "changed",
    [
        replace(INGREDIENTS, question="test_seen/swan_history/without_title"),
        replace(INGREDIENTS, image_digest="sha256:ac"),
        replace(INGREDIENTS, instruction="Explain the history of The Swan."),
        replace(INGREDIENTS, system_text="Be brief."),
        replace(INGREDIENTS, sampling=SamplingSpec(max_tokens=65, temperature=0.0)),
        replace(INGREDIENTS, sampling=SamplingSpec(max_tokens=64, temperature=0.5)),
        replace(INGREDIENTS, sampling=SamplingSpec(max_tokens=64)),
        replace(INGREDIENTS, sampling=SamplingSpec(max_tokens=64, temperature=0.0, seed=0)),
        replace(INGREDIENTS, sampling=SamplingSpec(max_tokens=64, temperature=0, stop=("x",))),
        replace(INGREDIENTS, model="demo-tiny"),
        replace(INGREDIENTS, revision="r2"),
        replace(INGREDIENTS, adapter="wit"),
        replace(INGREDIENTS, replicate=1),
    ],
)
def test_every_ingredient_changes_the_key(changed: KeyIngredients) -> None:
    assert question_key(changed) != question_key(INGREDIENTS)


def test_how_a_number_is_written_does_not_change_the_key() -> None:
    whole = SamplingSpec.model_validate({"max_tokens": 64, "temperature": 0})
    assert question_key(replace(INGREDIENTS, sampling=whole)) == question_key(INGREDIENTS)


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=2, unique=True))
def test_text_cannot_move_from_one_ingredient_to_the_next(pair: list[tuple[str, str]]) -> None:
    keys = {
        question_key(replace(INGREDIENTS, instruction=instruction, system_text=system_text))
        for instruction, system_text in pair
    }
    assert len(keys) == 2


def test_a_key_can_be_a_request_id() -> None:
    key = question_key(INGREDIENTS)  # at most 128 printable ASCII characters
    assert key.isascii()
    assert key.isprintable()
    assert len(key) == 3 + 40


def test_the_reference_digest_tells_reference_and_entities_apart() -> None:
    digests = {
        reference_digest("The Swan", ("Swan",)),
        reference_digest("The Swan", ()),
        reference_digest("The Swan.", ("Swan",)),
        reference_digest("The Swan", ("The", "Swan")),
        reference_digest("The Swan", ("The Swan",)),
    }
    assert len(digests) == 5


def test_the_signatures_digest_does_not_depend_on_the_order() -> None:
    one = signatures_digest({"a": "x", "b": "y"})
    assert one == signatures_digest({"b": "y", "a": "x"})
    assert one != signatures_digest({"a": "y", "b": "x"})
