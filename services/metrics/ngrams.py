"""How many n-grams two texts share."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain, compress, pairwise

_TRUE_TWICE_OR_MORE = re.compile(b"\x01{2,}")


class NgramCounts:
    """The n-grams of a text, those of each order counted when first asked for.

    Args:
        words: The text's words.
    """

    __slots__ = ("_by_order", "words")

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self._by_order: dict[int, Counter[Hashable]] = {}

    def total(self, order: int) -> int:
        """How many n-grams of so many words there are."""
        return max(len(self.words) - order + 1, 0)

    def of_order(self, order: int) -> Counter[Hashable]:
        """How often each n-gram of so many words occurs."""
        if order not in self._by_order:
            self._by_order[order] = Counter(_ngrams([self.words], order))
        return self._by_order[order]


def shared_ngrams(candidate: NgramCounts, reference: NgramCounts, order: int) -> int:
    """Counts the n-grams that both texts have; one that is repeated, as often as in both."""
    return _count_shared(_ngrams([candidate.words], order), reference.of_order(order))


def shared_ngrams_up_to(candidate: NgramCounts, reference: NgramCounts, order: int) -> list[int]:
    """Counts the n-grams that both texts have, for each order from 1 to this one, at least 2.

    Longer n-grams are looked for only in the stretches of the texts in which every two neighbours
    are shared: these are few and short, and elsewhere there is none.
    """
    known = reference.of_order(2)
    pairs: list[Hashable] = list(pairwise(candidate.words))
    are_known = bytes(map(known.__contains__, pairs))
    shared_pairs = Counter(compress(pairs, are_known))
    shared = [shared_ngrams(candidate, reference, 1), _clipped_sum(shared_pairs, known)]
    in_candidate = _stretches(candidate.words, are_known)
    if not in_candidate:
        return shared + [0] * (order - 2)
    are_shared = bytes(map(shared_pairs.__contains__, pairwise(reference.words)))
    in_reference = _stretches(reference.words, are_shared)
    longer = (
        _count_shared(_ngrams(in_candidate, n), Counter(_ngrams(in_reference, n)))
        for n in range(3, order + 1)
    )
    return [*shared, *longer]


def _ngrams(stretches: Iterable[Sequence[str]], order: int) -> Iterable[Hashable]:
    if order == 1:
        return chain.from_iterable(stretches)
    return chain.from_iterable(
        zip(*[words[start:] for start in range(order)], strict=False) for words in stretches
    )


def _count_shared(candidate: Iterable[Hashable], reference: Counter[Hashable]) -> int:
    # Most n-grams are not the reference's, and need no counting.
    return _clipped_sum(Counter(filter(reference.__contains__, candidate)), reference)


def _clipped_sum(counts: Counter[Hashable], limits: Counter[Hashable]) -> int:
    # A conditional, since a call of `min` costs twice as much.
    return sum([n if n < (limit := limits[key]) else limit for key, n in counts.items()])


def _stretches(words: Sequence[str], are_shared: bytes) -> list[Sequence[str]]:
    """Finds the stretches of three words or more in which all neighbours are shared.

    Args:
        words: The text.
        are_shared: 1 for each word that is shared together with the next one, 0 for others. These
            are bytes so that the regex engine can search them.
    """
    runs = _TRUE_TWICE_OR_MORE.finditer(are_shared)
    return [words[run.start() : run.end() + 1] for run in runs]
