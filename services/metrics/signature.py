"""Signatures: one line naming everything that can change a score, as sacreBLEU writes them."""

import unicodedata

from services.metrics import tokens
from services.metrics.options import ScoringOptions

# Raise a metric's rules here whenever its values change for the same input.
RULES_VERSION = "1"


def signature(metric: str, **knobs: str) -> str:
    """Writes a signature.

    >>> signature("length", tok="words")
    'length|tok:words|rules:expart-1'
    """
    fields = [metric, *(f"{name}:{value}" for name, value in knobs.items())]
    return "|".join([*fields, f"rules:expart-{RULES_VERSION}"])


def matching_knobs(options: ScoringOptions) -> dict[str, str]:
    """Names how entities are looked for, and what becomes of an item that has none."""
    return {
        "noentities": "unscorable",
        "case": options.case.value,
        "boundary": options.boundary.value,
        "norm": f"nfc+space+quotes+hyphens.unicode-{unicodedata.unidata_version}",
    }


def token_knobs() -> dict[str, str]:
    """Names how texts are split into tokens."""
    return {"tok": tokens.tokenizer_signature(), "sent": tokens.splitter_signature()}
