"""Length of an explanation in tokens, and the penalty for one longer than its reference.

Source of the penalty: Hayashi et al., ACL 2024 (arXiv:2403.00068).
"""

import math
from collections.abc import Sequence
from functools import cache

from services.metrics.analysis import ScoringInput, TextAnalysis, analysed
from services.metrics.metric import Metric
from services.metrics.options import ScoringOptions, TokenizerRule
from services.metrics.signature import signature, token_knobs

_LENGTH_STATISTICS = ("candidate_tokens",)
_PENALTY_STATISTICS = ("candidate_tokens", "reference_tokens")


def length_penalty(candidate_tokens: float, reference_tokens: float) -> float:
    """Penalises only what is longer than the reference: exp(-max(0, |G|/|R| - 1)).

    Args:
        candidate_tokens: Tokens of the explanation, at least 0.
        reference_tokens: Tokens of the reference, above 0.

    Returns:
        A factor above 0 (or 0 where it is too small for a float) and at most 1.

    >>> length_penalty(27, 27)
    1.0
    >>> round(length_penalty(47, 27), 6)
    0.476761
    """
    return math.exp(-max(0.0, candidate_tokens / reference_tokens - 1))


def length(text: str | TextAnalysis, tokenizer: TokenizerRule = TokenizerRule.NLTK) -> int:
    """Counts the tokens of a text.

    Args:
        text: The text, as it stands: nothing in it is normalised.
        tokenizer: What a token is.

    Raises:
        InvalidRequestError: There is no such tokenizer.

    >>> length("It isn't in Paris.")
    6
    >>> length("It isn't in Paris.", TokenizerRule.WHITESPACE)
    4
    """
    return len(analysed(text).split(tokenizer))


def _compute_length(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    count = float(length(item.candidate, item.options.tokenizer))
    return count, (count,)


def _compute_penalty(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    counts = item.token_counts
    return length_penalty(*counts), counts


def _corpus_penalty(sums: Sequence[float]) -> float | None:
    return length_penalty(sums[0], sums[1]) if sums[1] else None


@cache
def _sign_length(options: ScoringOptions) -> str:
    return signature("length", **token_knobs(options))


@cache
def _sign_penalty(options: ScoringOptions) -> str:
    return signature("length_penalty", **token_knobs(options))


LENGTH_PENALTY_METRICS = (
    Metric(
        name="length_penalty",
        description="Factor of ECooc that punishes explanations longer than the reference.",
        statistic_names=_PENALTY_STATISTICS,
        compute=_compute_penalty,
        sign=_sign_penalty,
        corpus_value=_corpus_penalty,
        default=False,
    ),
)
LENGTH_METRICS = (
    Metric(
        name="length",
        description="Number of tokens of the explanation.",
        statistic_names=_LENGTH_STATISTICS,
        compute=_compute_length,
        sign=_sign_length,
        corpus_value=None,
        max_value=math.inf,
    ),
)
