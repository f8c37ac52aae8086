"""An encoder without a model: for tests, and to try what needs an encoder where none is."""

import hashlib
from collections.abc import Collection, Sequence

import numpy as np

from services.metrics.embeddings import TokenEmbeddings

_DIMENSIONS = 16


class FakeEncoder:
    """Gives each word a vector that depends on its spelling only; context means nothing to it.

    As real encoders do, it puts a special token before and after each text, and has a limit.

    Args:
        max_words: What is longer is cut off.
    """

    def __init__(self, max_words: int = 1000) -> None:
        self.max_words = max_words
        self.encoded: list[str] = []
        """Every text that it was asked for, in order."""

    @property
    def signature(self) -> str:
        """Says that it is a fake, and its limit."""
        return f"fake|words:{self.max_words}"

    def encode(self, texts: Sequence[str], keep: Collection[str] = ()) -> list[TokenEmbeddings]:
        """Embeds texts; keeps none of them."""
        del keep
        self.encoded += texts
        return [self._embed(text.split()) for text in texts]

    def _embed(self, words: list[str]) -> TokenEmbeddings:
        kept = words[: self.max_words]
        vectors = np.array([_vector(token) for token in ("<s>", *kept, "</s>")], np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        weights = np.array([0, *[1] * len(kept), 0], np.float32)
        return TokenEmbeddings(vectors, weights, truncated=len(kept) < len(words))


def _vector(token: str) -> list[int]:
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    return [byte - 128 for byte in digest[:_DIMENSIONS]]
