"""N-grams that two texts share, counted by hand."""

import pytest

from services.metrics.ngrams import NgramCounts, shared_ngrams, shared_ngrams_up_to


def shared(candidate: str, reference: str) -> list[int]:
    return shared_ngrams_up_to(NgramCounts(candidate.split()), NgramCounts(reference.split()), 4)


@pytest.mark.parametrize(
    ("candidate", "reference", "expected"),
    [
        ("", "a", [0, 0, 0, 0]),
        ("a", "a", [1, 0, 0, 0]),
        ("a b c d e", "a b c d e", [5, 4, 3, 2]),
        # a and b, in another order: no pair.
        ("a b", "b a", [2, 0, 0, 0]),
        # Three of a against two: two of them count, and one pair "a a".
        ("a a a", "a a", [2, 1, 0, 0]),
        ("a a", "a a a", [2, 1, 0, 0]),
        # "a b" and "b c" are both shared, but apart in the reference: "a b c" is not.
        ("a b c", "a b x b c", [3, 2, 0, 0]),
        # Two stretches, "a b c" and "c d e f": of two c one counts; pairs ab bc cd de ef; longer
        # ones abc cde def, and cdef. "b c d" is in the reference alone.
        ("a b c x c d e f", "a b c d e f", [6, 5, 3, 1]),
        # A stretch at each end of the text.
        ("a b c x d e f", "d e f y a b c", [6, 4, 2, 0]),
    ],
)
def test_shared_ngrams_are_counted_as_often_as_both_texts_have_them(
    candidate: str, reference: str, expected: list[int]
) -> None:
    assert shared(candidate, reference) == expected
    for order, count in enumerate(expected, 1):
        one, other = NgramCounts(candidate.split()), NgramCounts(reference.split())
        assert shared_ngrams(one, other, order) == count


def test_a_text_shorter_than_the_order_has_no_ngrams() -> None:
    counts = NgramCounts(["a", "b"])
    assert [counts.total(order) for order in (1, 2, 3, 4)] == [2, 1, 0, 0]
    assert counts.of_order(3) == {}
