"""ROUGE-1, ROUGE-2 and ROUGE-L F-measures, equal to those of the package ``rouge_score``.

Tokens are that package's: lower-cased runs of a-z and 0-9, no stemming. So a text without any has
ROUGE 0. The counting is ours, for speed; equality with ``rouge_score`` is tested.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import TypeVar

from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.metric import Metric
from services.metrics.options import ScoringOptions
from services.metrics.signature import signature

# The release of rouge_score that the tests compare with.
ROUGE_SCORE_VERSION = "0.1.2"

NgramT = TypeVar("NgramT")

_STATISTICS = ("precision", "recall", "matched", "candidate_units", "reference_units")
_TOKEN = re.compile(r"[a-z0-9]+")


def rouge_tokens(text: str) -> list[str]:
    """Splits a text as ``rouge_score`` does by default.

    >>> rouge_tokens("Café No. 5")
    ['caf', 'no', '5']
    """
    return _TOKEN.findall(text.lower())


def _words(text: TextAnalysis) -> list[str]:
    return rouge_tokens(text.text)


def _unigrams(text: TextAnalysis) -> Counter[str]:
    return Counter(text.derived(_words))


def _bigrams(text: TextAnalysis) -> Counter[tuple[str, str]]:
    return Counter(pairwise(text.derived(_words)))


def _compute_1(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    return _overlap(item.candidate.derived(_unigrams), item.reference.derived(_unigrams))


def _compute_2(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    return _overlap(item.candidate.derived(_bigrams), item.reference.derived(_bigrams))


def _overlap(
    candidate: Counter[NgramT], reference: Counter[NgramT]
) -> tuple[float, tuple[float, ...]]:
    shared = candidate.keys() & reference.keys()
    matched = sum(min(candidate[ngram], reference[ngram]) for ngram in shared)
    return _f_measure(matched, candidate.total(), reference.total())


def _compute_l(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    candidate, reference = item.candidate.derived(_words), item.reference.derived(_words)
    return _f_measure(_lcs(candidate, reference), len(candidate), len(reference))


def _lcs(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence (bit-parallel, Hyyrö 2004)."""
    masks: dict[str, int] = {}
    for position, token in enumerate(right):
        masks[token] = masks.get(token, 0) | 1 << position
    full = (1 << len(right)) - 1
    row = full
    for token in left:
        mask = masks.get(token)
        if mask is not None:
            step = row & mask
            row = ((row + step) | (row - step)) & full
    return len(right) - row.bit_count()


def _f_measure(matched: int, candidate: int, reference: int) -> tuple[float, tuple[float, ...]]:
    precision, recall = matched / max(candidate, 1), matched / max(reference, 1)
    f = 2 * precision * recall / (precision + recall) if matched else 0.0
    return f, (precision, recall, matched, candidate, reference)


def _corpus_value(sums: Sequence[float]) -> float | None:
    matched, candidate, reference = sums[2:]
    return 2 * matched / (candidate + reference) if reference else None


def _metric(
    suffix: str, what: str, compute: Callable[[ScoringInput], tuple[float, tuple[float, ...]]]
) -> Metric:
    name = f"rouge_{suffix}"

    @cache
    def sign(_options: ScoringOptions) -> str:
        return signature(
            name, measure="f1", stem="no", tok=f"rouge_score-{ROUGE_SCORE_VERSION}.default"
        )

    return Metric(
        name=name,
        description=f"F-measure of the {what} that explanation and reference share.",
        statistic_names=_STATISTICS,
        compute=compute,
        sign=sign,
        corpus_value=_corpus_value,
    )


ROUGE_METRICS = (
    _metric("1", "words", _compute_1),
    _metric("2", "pairs of neighbouring words", _compute_2),
    _metric("l", "longest common subsequence of words", _compute_l),
)
