"""The tokens of a text under each tokeniser rule, and what signatures call them."""

import re
import unicodedata
from collections.abc import Callable, Mapping

from services.metrics import tokens
from services.metrics.options import TokenizerRule

# Linear: each character is in one of the two classes or in none.
_WORD_OR_PUNCTUATION = re.compile(r"\w+|[^\w\s]+")

_SPLIT: Mapping[TokenizerRule, Callable[[str], list[str]]] = {
    TokenizerRule.NLTK: tokens.word_tokenize,
    TokenizerRule.WORDPUNCT: _WORD_OR_PUNCTUATION.findall,
    TokenizerRule.WHITESPACE: str.split,
}


def split_tokens(text: str, rule: TokenizerRule) -> list[str]:
    """Splits a text into tokens.

    >>> for rule in TokenizerRule:
    ...     print(rule.value, split_tokens("It isn't St. Denis.", rule))
    nltk ['It', 'is', "n't", 'St.', 'Denis', '.']
    wordpunct ['It', 'isn', "'", 't', 'St', '.', 'Denis', '.']
    whitespace ['It', "isn't", 'St.', 'Denis.']
    """
    return _SPLIT[rule](text)


def tokenizer_signature(rule: TokenizerRule) -> str:
    """Names a tokeniser and the data that it depends on."""
    if rule is TokenizerRule.NLTK:
        return tokens.tokenizer_signature()
    return f"{rule.value}.unicode-{unicodedata.unidata_version}"
