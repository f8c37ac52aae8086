"""Sentence BLEU as sacreBLEU computes it, with the statistics that corpus BLEU needs.

Tokenisation and arithmetic are sacreBLEU's own (13a, exponential smoothing, effective order for a
sentence); what is ours is to count the n-grams of a text once and keep them. Values are 0-1.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.metric import Metric
from services.metrics.options import MatchingOptions
from services.metrics.signature import signature

_ORDER = 4
_PERCENT = 100.0
_STATISTICS = (
    "candidate_length",
    "reference_length",
    *(f"correct_{n}" for n in range(1, _ORDER + 1)),
    *(f"total_{n}" for n in range(1, _ORDER + 1)),
)


def _make_tokenizer() -> Callable[[str], list[str]]:
    """Makes sacreBLEU's 13a tokeniser without its caches, which hold 131,072 whole texts.

    Its first rule sets symbols apart and takes most of the time, because the space is one of them.
    Texts are split at spaces in the end, so that a translation table for the others does the same.
    """
    (symbols, _), *rules = TokenizerRegexp()._re  # noqa: SLF001
    apart = {c: f" {chr(c)} " for c in range(128) if chr(c) != " " and symbols.match(chr(c))}

    def tokenize_regexp(line: str) -> str:
        line = line.translate(apart)
        for pattern, replacement in rules:
            line = pattern.sub(replacement, line)
        return line

    tokenizer = Tokenizer13a()
    tokenizer._post_tokenizer = tokenize_regexp  # noqa: SLF001
    uncached = Tokenizer13a.__call__.__wrapped__
    return lambda text: str(uncached(tokenizer, text.rstrip())).split()


tokenize_13a = _make_tokenizer()
"""Splits a text as sacreBLEU does by default."""


@dataclass(frozen=True, slots=True)
class _Ngrams:
    """The n-grams of orders 1 to 4 of a text of so many words."""

    word_count: int
    counts: Counter[tuple[str, ...]]


def _count_ngrams(text: TextAnalysis) -> _Ngrams:
    words = tokenize_13a(text.text)
    counts: Counter[tuple[str, ...]] = Counter()
    for order in range(1, _ORDER + 1):
        counts.update(zip(*(words[start:] for start in range(order)), strict=False))
    return _Ngrams(len(words), counts)


def _compute(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    candidate = item.candidate.derived(_count_ngrams)
    reference = item.reference.derived(_count_ngrams)
    correct = [0] * _ORDER
    for ngram in candidate.counts.keys() & reference.counts.keys():
        correct[len(ngram) - 1] += min(candidate.counts[ngram], reference.counts[ngram])
    total = [max(candidate.word_count - start, 0) for start in range(_ORDER)]
    statistics = (candidate.word_count, reference.word_count, *correct, *total)
    return _bleu(statistics, effective_order=True), statistics


def _bleu(statistics: Sequence[float], *, effective_order: bool) -> float:
    counts = [round(value) for value in statistics]
    score = BLEU.compute_bleu(
        correct=counts[2 : 2 + _ORDER],
        total=counts[2 + _ORDER :],
        sys_len=counts[0],
        ref_len=counts[1],
        smooth_method="exp",
        effective_order=effective_order,
        max_ngram_order=_ORDER,
    )
    return min(float(score.score) / _PERCENT, 1.0)  # rounding may carry a perfect score above 1


def corpus_bleu(sums: Sequence[float]) -> float | None:
    """Corpus BLEU, 0-1, from the sums of the items' statistics; None without any reference."""
    return _bleu(sums, effective_order=False) if sums[1] else None


@cache
def _sign(_options: MatchingOptions) -> str:
    metric = BLEU(effective_order=True)
    metric.num_refs = 1
    return signature("bleu", sacrebleu=f"({metric.get_signature().format()})")


BLEU_METRICS = (
    Metric(
        name="bleu",
        description="Sentence BLEU of the explanation against the reference, as sacreBLEU has it.",
        statistic_names=_STATISTICS,
        compute=_compute,
        sign=_sign,
        corpus_value=corpus_bleu,
    ),
)
