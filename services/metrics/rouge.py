"""ROUGE-1, ROUGE-2 and ROUGE-L F-measures, equal to those of the package ``rouge_score``.

Tokens are that package's: lower-cased runs of a-z and 0-9, no stemming. So a text without any has
ROUGE 0. The counting is ours, for speed; equality with ``rouge_score`` is tested.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.metric import Metric
from services.metrics.ngrams import NgramCounts, shared_ngrams
from services.metrics.options import ScoringOptions
from services.metrics.signature import signature

# The release of rouge_score that the tests compare with.
ROUGE_SCORE_VERSION = "0.1.2"

_STATISTICS = ("precision", "recall", "matched", "candidate_units", "reference_units")
_TOKEN = re.compile(r"[a-z0-9]+")


def rouge_tokens(text: str) -> list[str]:
    """Splits a text as ``rouge_score`` does by default.

    >>> rouge_tokens("Café No. 5")
    ['caf', 'no', '5']
    """
    return _TOKEN.findall(text.lower())


def _count_ngrams(text: TextAnalysis) -> NgramCounts:
    return NgramCounts(rouge_tokens(text.text))


def _compute_n(item: ScoringInput, order: int) -> tuple[float, tuple[float, ...]]:
    candidate = item.candidate.derived(_count_ngrams)
    reference = item.reference.derived(_count_ngrams)
    matched = shared_ngrams(candidate, reference, order)
    return _f_measure(matched, candidate.total(order), reference.total(order))


def _compute_l(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    candidate = item.candidate.derived(_count_ngrams)
    reference = item.reference.derived(_count_ngrams)
    matched = _lcs(candidate.words, reference.words)
    return _f_measure(matched, len(candidate.words), len(reference.words))


def _lcs(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence (bit-parallel, Hyyrö 2004)."""
    wanted = set(left)
    masks: dict[str, int] = {}
    bit = 1
    for token in right:
        if token in wanted:
            masks[token] = masks.get(token, 0) | bit
        bit <<= 1
    full = row = bit - 1
    for mask in filter(None, map(masks.get, left)):
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


@cache
def _sign(_options: ScoringOptions, name: str) -> str:
    tokens = f"rouge_score-{ROUGE_SCORE_VERSION}.default"
    return signature(name, measure="f1", stem="no", tok=tokens)


def _metric(
    suffix: str, what: str, compute: Callable[[ScoringInput], tuple[float, tuple[float, ...]]]
) -> Metric:
    name = f"rouge_{suffix}"
    return Metric(
        name=name,
        description=f"F-measure of the {what} that explanation and reference share.",
        statistic_names=_STATISTICS,
        compute=compute,
        sign=partial(_sign, name=name),
        corpus_value=_corpus_value,
    )


ROUGE_METRICS = (
    _metric("1", "words", partial(_compute_n, order=1)),
    _metric("2", "pairs of neighbouring words", partial(_compute_n, order=2)),
    _metric("l", "longest common subsequence of words", _compute_l),
)


@dataclass(frozen=True, slots=True)
class RougeScore:
    """One of the ROUGE measures. All values are 0-1.

    Attributes:
        f1: Harmonic mean of precision and recall; 0 where nothing matches.
        precision: Share of the candidate's units that the reference has, too.
        recall: Share of the reference's units that the candidate has, too.
    """

    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Rouge:
    """The ROUGE measures of one candidate.

    Attributes:
        rouge_1: Of words.
        rouge_2: Of pairs of neighbouring words.
        rouge_l: Of the longest common subsequence of words.
    """

    rouge_1: RougeScore
    rouge_2: RougeScore
    rouge_l: RougeScore


def rouge(candidate: str | TextAnalysis, reference: str | TextAnalysis) -> Rouge:
    """Scores a candidate by ROUGE-1, ROUGE-2 and ROUGE-L, as ``rouge_score`` computes them.

    Args:
        candidate: The text to be scored; may be empty.
        reference: The reference text.

    Raises:
        InvalidRequestError: The reference is blank.

    >>> found = rouge("The cat sat.", "The cat sat on a mat.")
    >>> found.rouge_2
    RougeScore(f1=0.5714285714285715, precision=1.0, recall=0.4)
    >>> found.rouge_l.f1 == found.rouge_1.f1
    True
    """
    item = ScoringInput(candidate, reference)
    results = (_compute_n(item, 1), _compute_n(item, 2), _compute_l(item))
    return Rouge(*(RougeScore(f1, *statistics[:2]) for f1, statistics in results))
