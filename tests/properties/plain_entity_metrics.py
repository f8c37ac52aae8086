"""The entity metrics once more, written as plainly as their formulas and as slowly.

Shares nothing with services.metrics but NLTK's sentences and tokens; for texts of plain spaces.
"""

import math
import re
from collections.abc import Callable, Sequence
from itertools import combinations

Split = Callable[[str], list[str]]
Spans = Callable[[str], list[tuple[int, int]]]


def starts(entity: str, text: str, *, fold: bool, word: bool) -> list[int]:
    """Where the entity occurs, by a regular expression."""
    # An edge that is no word character needs no boundary.
    before = r"(?<!\w)" if word and re.match(r"\w", entity[0]) else ""
    after = r"(?!\w)" if word and re.match(r"\w", entity[-1]) else ""
    pattern = before + re.escape(entity) + after
    return [m.start() for m in re.finditer(pattern, text, re.IGNORECASE if fold else 0)]


def count(entity: str, text: str, *, fold: bool, word: bool) -> int:
    return len(starts(entity, text, fold=fold, word=word))


def coverage(entities: Sequence[str], candidate: str, *, fold: bool, word: bool) -> float:
    found = [e for e in entities if count(e, candidate, fold=fold, word=word) > 0]
    return len(found) / len(entities)


def lcs(left: Sequence[str], right: Sequence[str]) -> int:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            same = table[i - 1][j - 1] + 1
            table[i][j] = same if a == b else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


def partial_coverage(
    entities: Sequence[str], candidate: str, tokens: Split, *, fold: bool
) -> float:
    def folded(text: str) -> list[str]:
        return [t.lower() if fold else t for t in tokens(text)]

    shares = [lcs(folded(e), folded(candidate)) / len(folded(e)) for e in entities]
    return sum(shares) / len(shares)


def f1(
    entities: Sequence[str], candidate: str, reference: str, *, fold: bool, word: bool
) -> float | None:
    in_g = {e: count(e, candidate, fold=fold, word=word) for e in entities}
    in_r = {e: count(e, reference, fold=fold, word=word) for e in entities}
    if sum(in_r.values()) == 0:
        return None
    generated = [e for e in entities if in_g[e]]
    if not generated:
        return 0.0
    precision = sum(min(in_g[e], in_r[e]) for e in generated) / sum(in_g[e] for e in generated)
    recall = sum(min(in_g[e], in_r[e]) for e in entities) / sum(in_r[e] for e in entities)
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def pairs(
    entities: Sequence[str], text: str, radius: float, sentences: Spans, *, fold: bool, word: bool
) -> set[tuple[str, str]]:
    """Pairs that occur in one window; an occurrence is in the sentence in which it begins."""
    spans = sentences(text)

    def begins_in(entity: str, start: int, end: int) -> bool:
        return any(start <= at < end for at in starts(entity, text, fold=fold, word=word))

    present = [{e for e in entities if begins_in(e, *span)} for span in spans]
    found = set()
    for centre in range(len(spans)):
        window = [here for i, here in enumerate(present) if abs(i - centre) <= radius]
        together = set[str]().union(*window)
        found.update(combinations(sorted(together), 2))
    return found


def cooccurrence(
    pairs_of_candidate: set[tuple[str, str]],
    pairs_of_reference: set[tuple[str, str]],
    candidate_tokens: int,
    reference_tokens: int,
) -> float | None:
    if not pairs_of_reference:
        return None
    penalty = math.exp(-max(0, candidate_tokens / reference_tokens - 1))
    return penalty * len(pairs_of_candidate & pairs_of_reference) / len(pairs_of_reference)
