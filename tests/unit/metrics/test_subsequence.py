"""Longest common subsequences against the table of the textbook."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.subsequence import TokenSequences
from tests.properties.plain_entity_metrics import lcs

tokens = st.lists(st.sampled_from("abcd"), max_size=12)


@given(st.lists(tokens, max_size=5), tokens)
def test_the_best_of_several_sequences_is_found(
    sequences: list[list[str]], other: list[str]
) -> None:
    expected = max((lcs(sequence, other) for sequence in sequences), default=0)
    assert TokenSequences(sequences, set(other)).longest_common(other) == expected
    assert TokenSequences(sequences, set("abcd")).longest_common(other) == expected


@pytest.mark.parametrize(
    ("sequences", "other", "expected"),
    [
        ([], "ab", 0),
        ([""], "ab", 0),
        (["ab"], "", 0),
        (["a", "b"], "ab", 1),  # two sequences are not one
        (["ba"], "ab", 1),
        (["xaybz"], "ab", 2),
        (["a" * 100 + "b"], "ba", 1),
        (["a" * 100 + "b", "ba"], "ba", 2),
        (["ab" * 50], "a" * 70, 50),
    ],
)
def test_the_order_of_tokens_counts(sequences: list[str], other: str, expected: int) -> None:
    assert TokenSequences([list(s) for s in sequences], set("ab")).longest_common(other) == expected
