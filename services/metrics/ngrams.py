"""How many n-grams two texts share."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


class NgramCounts:
    """The n-grams of a text, those of each order counted when first asked for.

    Args:
        words: The text's words.
    """

    __slots__ = ("_by_order", "words")

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self._by_order: dict[int, Counter[Hashable]] = {}

    def ngrams(self, order: int) -> Iterable[Hashable]:
        """All n-grams of so many words, in the text's order."""
        if order == 1:
            return self.words
        return zip(*(self.words[start:] for start in range(order)), strict=False)

    def total(self, order: int) -> int:
        """How many n-grams of so many words there are."""
        return max(len(self.words) - order + 1, 0)

    def of_order(self, order: int) -> Counter[Hashable]:
        """How often each n-gram of so many words occurs."""
        if order not in self._by_order:
            self._by_order[order] = Counter(self.ngrams(order))
        return self._by_order[order]


def shared_ngrams(candidate: NgramCounts, reference: NgramCounts, order: int) -> int:
    """Counts the n-grams that both texts have; one that is repeated, as often as in both."""
    known = reference.of_order(order)
    # The candidate's other n-grams need no counting, and they are most of them.
    found = Counter(filter(known.__contains__, candidate.ngrams(order)))
    return sum(map(min, found.values(), map(known.__getitem__, found)))
