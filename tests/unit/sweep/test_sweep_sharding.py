"""Shards: every artwork in exactly one, by its name alone."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import UserInputError
from services.sweep.spec.sharding import Shard, choose_shard, shard_of


@given(st.text(), st.integers(1, 50))
def test_every_artwork_is_in_exactly_one_shard(artwork: str, count: int) -> None:
    holders = [index for index in range(count) if Shard(index, count).holds(artwork)]
    assert holders == [shard_of(artwork, count)]


def test_the_shard_is_the_hash_that_the_documentation_describes() -> None:
    first = hashlib.sha256(b"The Swan").hexdigest()[:16]  # 64 bits
    assert shard_of("The Swan", 10) == int(first, 16) % 10


def test_shards_are_of_about_the_same_size() -> None:
    counts = [0] * 4
    for number in range(1000):
        counts[shard_of(f"artwork {number}", 4)] += 1
    # Binomial: 250 in the mean with a deviation of 13.7; the names are fixed, so it never fails
    # by chance.
    assert all(200 < count < 300 for count in counts)


@given(st.integers(1, 99_999).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_a_label_names_a_shard(pair: tuple[int, int]) -> None:
    assert Shard.parse(Shard(*pair).label) == Shard(*pair)


def test_a_label_sorts_like_its_index() -> None:
    assert Shard(3, 12).label == "00003-of-00012"


@pytest.mark.parametrize(
    "label", ["", "0-of-1", "00000", "00000-of-00000", "00002-of-00002", "0000a-of-00001", "-of-"]
)
def test_what_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(UserInputError):
        Shard.parse(label)


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ((None, None, None), Shard(0, 1)),
        ((1, 4, None), Shard(1, 4)),
        ((None, 4, 2), Shard(2, 4)),
        ((1, 4, 2), Shard(1, 4)),
        ((None, 1, None), Shard(0, 1)),
        # A pod of an Indexed Job with one completion.
        ((None, None, 0), Shard(0, 1)),
    ],
)
def test_the_shard_comes_from_the_options_or_from_kubernetes(
    given: tuple[int | None, int | None, int | None], chosen: Shard
) -> None:
    assert choose_shard(*given) == chosen


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ((None, 4, None), "there are 4 shards, and which one to run is not given"),
        ((2, None, None), "the shard index is 2, and the number of shards is not given"),
        ((None, None, 2), "EXPART_SWEEP_SHARD_COUNT"),
        ((4, 4, None), "must be from 0 to 3, as there are 4 shards; it is 4"),
        ((0, 0, None), "must be from 1 to 99999, not 0"),
    ],
)
def test_half_a_choice_is_refused(
    given: tuple[int | None, int | None, int | None], complaint: str
) -> None:
    with pytest.raises(UserInputError, match=complaint):
        choose_shard(*given)
