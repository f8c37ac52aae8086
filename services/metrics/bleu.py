"""Sentence BLEU as sacreBLEU computes it, with the statistics that corpus BLEU needs.

Tokenisation and arithmetic are sacreBLEU's own (13a, exponential smoothing, effective order for a
sentence); what is ours is to count the n-grams of a text once and keep them. Values are 0-1.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.metric import Metric
from services.metrics.options import ScoringOptions
from services.metrics.signature import signature

_ORDER = 4
_PERCENT = 100.0
_STATISTICS = (
    "candidate_length",
    "reference_length",
    *(f"correct_{n}" for n in range(1, _ORDER + 1)),
    *(f"total_{n}" for n in range(1, _ORDER + 1)),
)


# Full stops and commas that sacreBLEU's rules may leave where they are.
_BOUND_MARK = re.compile(r"[.,][.,]|[0-9][.,][0-9]")


def _make_tokenizer() -> Callable[[str], list[str]]:
    """Makes sacreBLEU's 13a tokeniser without its caches, which hold 131,072 whole texts.

    The rules are read from sacreBLEU; those that come to setting every occurrence of a character
    apart are applied as just that. The space is such a character too, and needs nothing: texts are
    split at spaces in the end.
    """
    (symbols, _), *rules = TokenizerRegexp()._re  # noqa: SLF001
    apart = frozenset(c for c in map(chr, range(128)) if c != " " and symbols.match(c))
    mark_rules, other_rules = rules[:2], rules[2:]

    def tokenize_regexp(line: str) -> str:
        for symbol in apart.intersection(line):
            line = line.replace(symbol, f" {symbol} ")
        if _BOUND_MARK.search(line):
            for pattern, replacement in mark_rules:
                line = pattern.sub(replacement, line)
        else:
            line = line.replace(".", " . ").replace(",", " , ")
        for pattern, replacement in other_rules:
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
    """The n-grams of a text of so many words: one count for each order from 1 to 4."""

    word_count: int
    by_order: tuple[Counter[tuple[str, ...]], ...]


def _count_ngrams(text: TextAnalysis) -> _Ngrams:
    words = tokenize_13a(text.text)
    shifted = [words[start:] for start in range(_ORDER)]
    by_order = (Counter(zip(*shifted[:order], strict=False)) for order in range(1, _ORDER + 1))
    return _Ngrams(len(words), tuple(by_order))


def _compute(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    candidate = item.candidate.derived(_count_ngrams)
    reference = item.reference.derived(_count_ngrams)
    correct = [
        sum(min(one[ngram], other[ngram]) for ngram in one.keys() & other.keys())
        for one, other in zip(candidate.by_order, reference.by_order, strict=True)
    ]
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
def _sign(_options: ScoringOptions) -> str:
    metric = BLEU(effective_order=True)
    metric.num_refs = 1
    return signature("bleu", sacrebleu=f"({metric.get_signature().format()})")


def _sign_corpus(signature: str) -> str:
    return signature.replace("|eff:yes|", "|eff:no|") + "|mean:corpus"


BLEU_METRICS = (
    Metric(
        name="bleu",
        description="Sentence BLEU of the explanation against the reference, as sacreBLEU has it.",
        statistic_names=_STATISTICS,
        compute=_compute,
        sign=_sign,
        corpus_value=corpus_bleu,
        sign_corpus=_sign_corpus,
    ),
)
