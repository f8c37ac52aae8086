"""Signatures: one line naming everything that can change a score, as sacreBLEU writes them."""

import unicodedata

from services.metrics import tokens
from services.metrics.options import ScoringOptions, TokenizerRule
from services.metrics.splitting import tokenizer_signature

# Raise a metric's rules here whenever its values change for the same input.
RULES_VERSION = "1"


def signature(metric: str, **knobs: str) -> str:
    """Writes a signature.

    >>> signature("length", tok="words")
    'length|tok:words|rules:expart-1'
    """
    fields = [metric, *(f"{name}:{value}" for name, value in knobs.items())]
    return "|".join([*fields, f"rules:expart-{RULES_VERSION}"])


def matching_knobs(options: ScoringOptions, *, boundary: bool = True) -> dict[str, str]:
    """Names how entities are looked for, and what becomes of an item that has none.

    Args:
        options: The choices.
        boundary: Whether it matters where an occurrence may begin and end.
    """
    places = {"boundary": options.boundary.value} if boundary else {}
    return {
        "noentities": "unscorable",
        "case": options.case.value,
        **places,
        "norm": f"nfc+space+quotes+hyphens+invisibles.unicode-{unicodedata.unidata_version}",
    }


def generated_knobs(options: ScoringOptions) -> dict[str, str]:
    """Names which entities count on the candidate's side."""
    return {"generated": options.generated_entities.value}


def token_knobs(options: ScoringOptions, *, sentences: bool = False) -> dict[str, str]:
    """Names how texts are split into tokens.

    Args:
        options: The choices.
        sentences: Whether sentences matter even to a tokeniser that knows none.
    """
    splits = sentences or options.tokenizer is TokenizerRule.NLTK
    splitter = {"sent": tokens.splitter_signature()} if splits else {}
    return {"tok": tokenizer_signature(options.tokenizer), **splitter}
