"""The entity metrics once more, written as plainly as their formulas and as slowly.

Shares nothing with services.metrics but NLTK's sentences and tokens; for texts of plain spaces.
"""

import math
import re
from collections.abc import Callable, Sequence
from itertools import combinations

Split = Callable[[str], list[str]]
Spans = Callable[[str], list[tuple[int, int]]]
Entities = Sequence[str]


def same(one: str, other: str, *, fold: bool) -> bool:
    return one.lower() == other.lower() if fold else one == other


def among(entity: str, entities: Entities, *, fold: bool) -> bool:
    return any(same(entity, other, fold=fold) for other in entities)


def distinct(entities: Entities, *, fold: bool) -> list[str]:
    kept: list[str] = []
    for entity in entities:
        if not among(entity, kept, fold=fold):
            kept.append(entity)
    return kept


def starts(entity: str, text: str, *, fold: bool, word: bool) -> list[int]:
    """Where the entity occurs, by a regular expression."""
    # An edge that is no word character needs no boundary.
    before = r"(?<!\w)" if word and re.match(r"\w", entity[0]) else ""
    after = r"(?!\w)" if word and re.match(r"\w", entity[-1]) else ""
    pattern = before + re.escape(entity) + after
    return [m.start() for m in re.finditer(pattern, text, re.IGNORECASE if fold else 0)]


def count(entity: str, text: str, *, fold: bool, word: bool) -> int:
    return len(starts(entity, text, fold=fold, word=word))


def coverage(
    entities: Entities, candidate: str, *, fold: bool, word: bool, given: Entities | None = None
) -> float:
    found = [e for e in entities if mentioned(e, candidate, given, fold=fold, word=word)]
    return len(found) / len(entities)


def mentioned(
    entity: str, candidate: str, given: Entities | None, *, fold: bool, word: bool
) -> bool:
    if given is None:
        return count(entity, candidate, fold=fold, word=word) > 0
    return among(entity, given, fold=fold)


def lcs(left: Sequence[str], right: Sequence[str]) -> int:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            same = table[i - 1][j - 1] + 1
            table[i][j] = same if a == b else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


def partial_coverage(
    entities: Entities,
    candidate: str,
    tokens: Split,
    *,
    fold: bool,
    given: Entities | None = None,
    whole: Entities = (),
) -> float:
    """Those of ``whole`` count in full."""

    def folded(text: str) -> list[str]:
        return [t.lower() if fold else t for t in tokens(text)]

    def share(entity: str) -> float:
        if entity in whole:
            return 1.0
        sources = [candidate] if given is None else given
        best = max([lcs(folded(entity), folded(source)) for source in sources], default=0)
        return best / len(folded(entity))

    return sum(share(entity) for entity in entities) / len(entities)


def f1(
    entities: Entities,
    candidate: str,
    reference: str,
    *,
    fold: bool,
    word: bool,
    given: Entities | None = None,
) -> float | None:
    def in_g(entity: str) -> int:
        return count(entity, candidate, fold=fold, word=word)

    def in_r(entity: str) -> int:
        return count(entity, reference, fold=fold, word=word)

    def clip(entity: str) -> int:
        return min(in_g(entity), in_r(entity))

    if sum(map(in_r, entities)) == 0:
        return None
    generated = [e for e in entities if in_g(e)] if given is None else given
    if sum(map(in_g, generated)) == 0:
        return 0.0
    precision = sum(map(clip, generated)) / sum(map(in_g, generated))
    recall = sum(map(clip, entities)) / sum(map(in_r, entities))
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def pairs(
    entities: Entities, text: str, radius: float, sentences: Spans, *, fold: bool, word: bool
) -> set[tuple[str, str]]:
    """Pairs that occur in one window; an occurrence is in the sentence in which it begins."""
    spans = sentences(text)

    def begins_in(entity: str, start: int, end: int) -> bool:
        return any(start <= at < end for at in starts(entity, text, fold=fold, word=word))

    present = [{e for e in entities if begins_in(e, *span)} for span in spans]
    found: set[tuple[str, str]] = set()
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
    *,
    zero: bool = False,
) -> float | None:
    if not pairs_of_reference:
        return 0.0 if zero else None
    penalty = math.exp(-max(0, candidate_tokens / reference_tokens - 1))
    return penalty * len(pairs_of_candidate & pairs_of_reference) / len(pairs_of_reference)
