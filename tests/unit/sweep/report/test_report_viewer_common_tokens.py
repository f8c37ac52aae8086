"""The tokens that a text shares with an entity, against all the ways to choose them."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from services.metrics.options import TokenizerRule
from services.metrics.splitting import split_tokens
from services.sweep.report.viewer.common_tokens import (
    TokenPlaces,
    leftmost_common,
    token_positions,
)
from tests.properties import hard_texts


def common(sequence: str, text: str) -> list[int]:
    return leftmost_common(list(sequence), token_positions(list(text), [list(sequence)]))


def is_subsequence(tokens: str, sequence: str) -> bool:
    rest = iter(sequence)
    return all(token in rest for token in tokens)


def leftmost_by_trying(sequence: str, text: str) -> list[int]:
    for length in range(len(sequence), 0, -1):
        # Combinations come in lexicographic order: the first one that fits is the leftmost.
        for places in combinations(range(len(text)), length):
            if is_subsequence("".join(text[place] for place in places), sequence):
                return list(places)
    return []


def test_tokens_are_taken_as_far_left_as_the_most_of_them_can_be() -> None:
    assert common("abc", "xaybzc") == [1, 3, 5]
    assert common("abc", "cab") == [1, 2]
    assert common("abc", "ba") == [0]
    assert common("abc", "xyz") == []
    assert common("aa", "aaa") == [0, 1]
    assert common("a", "xaa") == [1]


@given(sequence=st.text("abc", min_size=1, max_size=6), text=st.text("abcd", max_size=9))
def test_they_are_those_that_trying_all_finds(sequence: str, text: str) -> None:
    assert common(sequence, text) == leftmost_by_trying(sequence, text)


def test_a_long_text_takes_time_that_grows_with_it() -> None:
    # 30,000 tokens and 300: 300 of them are the text's first ones.
    sequence, text = "ab" * 150, "ab" * 15_000
    assert common(sequence, text) == list(range(300))


def test_tokens_of_hard_texts_are_found_where_they_stand() -> None:
    quotes = {"``", "''"}
    for turn, text in enumerate(hard_texts.texts(900, seed=23)):
        rule = list(TokenizerRule)[turn % 3]
        tokens = split_tokens(text, rule)
        places = TokenPlaces(text, tokens)
        before = 0
        for number, token in enumerate(tokens):
            begin, end = places.of(number)
            assert not text[before:begin].strip()
            written = text[begin:end]
            assert written == token or (token in quotes and written in {'"', *quotes})
            before = end
        assert not text[before:].strip()


def test_a_token_that_is_not_there_takes_no_room() -> None:
    places = TokenPlaces("a  b", ["a", "x", "b"])
    assert [places.of(token) for token in range(3)] == [(0, 1), (3, 3), (3, 4)]


def test_whitespace_of_any_kind_may_stand_between_tokens() -> None:
    single, mixed = (
        TokenPlaces("ab c.", ["ab", "c", "."]),
        TokenPlaces(" ab\n\tc. ", ["ab", "c", "."]),
    )
    assert [single.of(token) for token in range(3)] == [(0, 2), (3, 4), (4, 5)]
    assert [mixed.of(token) for token in range(3)] == [(1, 3), (5, 6), (6, 7)]
