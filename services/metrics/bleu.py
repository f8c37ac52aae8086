"""Sentence BLEU as sacreBLEU computes it, with the statistics that corpus BLEU needs.

Tokens and values are sacreBLEU's to the last bit (13a, exponential smoothing, effective order for a
sentence); what is ours is to split and count no more than is needed. Values are 0-1. Parity with
sacreBLEU is tested.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.chunks import ChunkTokens
from services.metrics.metric import Metric
from services.metrics.ngrams import NgramCounts, shared_ngrams_up_to
from services.metrics.options import ScoringOptions
from services.metrics.signature import signature

_ORDER = 4
_ORDERS = range(1, _ORDER + 1)
_PERCENT = 100.0
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))  # one after another
_NEIGHBOURING_MARKS = re.compile(r"[.,][.,]")
_STATISTICS = (
    "candidate_length",
    "reference_length",
    *(f"correct_{n}" for n in _ORDERS),
    *(f"total_{n}" for n in _ORDERS),
)


def _make_tokenizer() -> Callable[[str], list[str]]:
    """Makes sacreBLEU's 13a tokeniser without its caches, which hold 131,072 whole texts.

    Its rules never look beyond a space, so that what stands between two is split once.
    """
    rules = TokenizerRegexp()._re  # noqa: SLF001
    apart = "".join(re.escape(c) for c in map(chr, range(33, 128)) if rules[0][0].match(c))
    # What all the rules come to, unless a full stop or comma stands next to another: these stay
    # between digits only, and a hyphen goes with what is before it, but for a digit.
    word = rf"(?:[^{apart}.,0-9-]++|(?<![0-9])-|[0-9]++(?:[.,][0-9]++)*+)++"
    find_tokens = re.compile(rf"{word}|[{apart}.,-]").findall

    def split(chunk: str) -> list[str]:
        if chunk.isalnum():
            return [chunk]
        if "&" in chunk:
            for entity, character in _ENTITIES:
                chunk = chunk.replace(entity, character)
        if not _NEIGHBOURING_MARKS.search(chunk):
            return find_tokens(chunk)
        chunk = f" {chunk} "
        for pattern, replacement in rules:
            chunk = pattern.sub(replacement, chunk)
        return chunk.split()

    known = ChunkTokens(split)

    def tokenize(text: str) -> list[str]:
        text = text.rstrip().replace("<skipped>", "").replace("-\n", "")
        return list(chain.from_iterable(map(known.__getitem__, text.split())))

    return tokenize


tokenize_13a = _make_tokenizer()
"""Splits a text as sacreBLEU does by default."""


def _count_ngrams(text: TextAnalysis) -> NgramCounts:
    return NgramCounts(tokenize_13a(text.text))


def _compute(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    candidate = item.candidate.derived(_count_ngrams)
    reference = item.reference.derived(_count_ngrams)
    correct = shared_ngrams_up_to(candidate, reference, _ORDER)
    totals = map(candidate.total, _ORDERS)
    statistics = (len(candidate.words), len(reference.words), *correct, *totals)
    return _bleu(statistics, effective_order=True), statistics


def _bleu(statistics: Sequence[float], *, effective_order: bool) -> float:
    """Computes BLEU from its statistics, with sacreBLEU's arithmetic to the last bit."""
    candidate_length, reference_length, *counts = statistics
    correct, totals = counts[:_ORDER], counts[_ORDER:]
    if not any(correct):
        return 0.0
    logarithms = []
    smoothing = 1.0
    for matched, total in zip(correct, totals, strict=True):
        if not total:
            break
        if not matched:
            smoothing *= 2
        precision = _PERCENT * matched / total if matched else _PERCENT / (smoothing * total)
        logarithms.append(math.log(precision))
    if len(logarithms) < _ORDER and not effective_order:
        return 0.0  # sacreBLEU takes the logarithm of 0 to be -9999999999
    brevity = min(1.0, math.exp(1 - reference_length / candidate_length))
    score = brevity * math.exp(sum(logarithms) / len(logarithms))
    return min(score / _PERCENT, 1.0)  # rounding may carry a perfect score above 1


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


@dataclass(frozen=True, slots=True)
class Bleu:
    """Sentence BLEU of one candidate.

    Attributes:
        score: The value, 0-1.
        statistics: Lengths and n-gram counts, of which :func:`corpus_bleu` takes the sums.
    """

    score: float
    statistics: tuple[float, ...]


def bleu(candidate: str | TextAnalysis, reference: str | TextAnalysis) -> Bleu:
    """Scores a candidate by sentence BLEU, as sacreBLEU computes it with effective order.

    Args:
        candidate: The text to be scored; may be empty.
        reference: The reference text.

    Raises:
        InvalidRequestError: The reference is blank.

    >>> one = bleu("The cat sat on the mat.", "The cat sat on a mat.")
    >>> other = bleu("In Paris.", "In Paris.")
    >>> round(one.score, 4), other.score
    (0.4889, 1.0)

    The corpus's value comes from the sums, and is no mean of the sentences':

    >>> round(corpus_bleu([sum(pair) for pair in zip(one.statistics, other.statistics)]), 4)
    0.539
    """
    return Bleu(*_compute(ScoringInput(candidate, reference)))
